// ModelDisk: a disk in memory that a filter is tested over. It records every call, fails when told to, keeps what would
// survive a power cut, and notes every breach of the contract between two layers.
#pragma once
#include <algorithm>
#include <ashlar/device.hpp>
#include <ashlar/rules/request.hpp>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace ashlar::testing {

// Safe for all threads once it is in use. Keeps its address; must outlive the devices over it.
class ModelDisk {
 public:
  struct Call {
    Op op;
    std::uint64_t offset;
    std::uint64_t length;
    Flags flags;
    friend bool operator==(const Call&, const Call&) = default;
  };

  // All ops, all flags but the shortcuts, any byte; change geometry() before a layer is opened over it.
  explicit ModelDisk(std::uint64_t size) : bytes_(size), durable_(size), states_(size, ASHLAR_HOLE | ASHLAR_ZERO) {
    geometry_.size = size;
    geometry_.flags = Flag::promises;
    geometry_.multi_conn = true;
  }
  ModelDisk(const ModelDisk&) = delete;
  ModelDisk& operator=(const ModelDisk&) = delete;

  Geometry& geometry() { return geometry_; }
  const ashlar_device* device() const { return &device_; }
  const ashlar_geometry* below() {
    ashlar_geometry now{sizeof(ashlar_geometry), 0, 0, 0, 0, 0, 0, 0, 0, 0};
    to_abi(geometry_, now);
    const std::lock_guard guard(
        mutex_);  // several layers may be opened over one disk at once, and read what was told before
    if (std::memcmp(&now, &below_, sizeof now) != 0) below_ = now;
    return &below_;
  }

  // The contents, and what of them would survive a power cut. Not while requests run.
  std::vector<std::byte>& bytes() { return bytes_; }
  const std::vector<std::byte>& durable() const { return durable_; }
  // Fills the disk, as written and durable, with bytes that differ from their neighbours.
  void fill() {
    for (std::size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<std::byte>(1 + i % 251);
    durable_ = bytes_;
    std::fill(states_.begin(), states_.end(), std::uint8_t{0});
  }
  void set_state(std::uint64_t offset, std::uint64_t length, ExtentState state) {
    std::fill_n(states_.begin() + static_cast<std::ptrdiff_t>(offset), length, static_cast<std::uint8_t>(state.bits()));
  }

  // From now on: every call of `op` answers `s`; the `n`th call (0: the first that comes) answers `s`; calls with
  // nowait answer would_block; reads with may_lend are lent from `fd` at their own offset, before zeroes are told.
  void fail(Op op, Status s) { failing_.push_back({op, s}); }
  void fail_call(std::size_t n, Status s) { failing_calls_.push_back({calls_.size() + n, s}); }
  void block_always() { blocks_ = true; }
  void lend_from(int fd) { lend_fd_ = fd; }
  // Called before each request is carried out, without a lock, on the caller's thread.
  void on_call(std::function<void(const Call&)> f) { on_call_ = std::move(f); }

  std::vector<Call> calls() const {
    const std::lock_guard guard(mutex_);
    return calls_;
  }
  std::size_t count(Op op) const {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(
        std::count_if(calls_.begin(), calls_.end(), [&](const Call& c) { return c.op == op; }));
  }
  void forget_calls() {
    const std::lock_guard guard(mutex_);
    calls_.clear();
  }
  // Requests that the layer above must not have sent, one text each.
  std::vector<std::string> breaches() const {
    const std::lock_guard guard(mutex_);
    return breaches_;
  }

 private:
  template <class Key>
  struct Failing {
    Key key;
    Status status;
  };

  static std::int32_t describe(void* self, ashlar_geometry* out, ashlar_error*) noexcept {
    to_abi(static_cast<ModelDisk*>(self)->geometry_, *out);
    return 0;
  }
  static std::int32_t process(void* self, ashlar_io* io) noexcept {
    return static_cast<ModelDisk*>(self)->request(*static_cast<Io*>(io)).code();
  }
  static void close(void*) noexcept {}

  Status request(Io& io) {
    const Call call{io.op(), io.offset(), io.length(), io.flags()};
    if (on_call_) on_call_(call);
    const std::lock_guard guard(mutex_);
    const std::size_t number = calls_.size();
    calls_.push_back(call);
    if (const char* wrong = rules::request_fault(geometry_, io)) {
      breaches_.push_back(std::string(name(io.op())) + " " + std::to_string(io.length()) + "@" +
                          std::to_string(io.offset()) + ": " + wrong);
      return Status::invalid();
    }
    for (const auto& f : failing_)
      if (f.key == io.op()) return f.status;
    for (const auto& f : failing_calls_)
      if (f.key == number) return f.status;
    if (blocks_ && io.has(Flag::nowait)) return Status::would_block();
    const Status s = carry_out(io);
    if (io.has(Flag::fua)) copy_durable(io.offset(), io.length());
    return s;
  }

  Status carry_out(Io& io) {
    std::byte* at = bytes_.data() + io.offset();
    switch (io.op()) {
      case Op::read: return read(io, at);
      case Op::write:
        std::memcpy(at, io.payload().data(), io.length());
        set_state(io.offset(), io.length(), {});
        break;
      case Op::flush: durable_ = bytes_; break;
      case Op::trim:
        std::memset(at, 0xdb, io.length());  // what was trimmed may read as anything: make it show
        set_state(io.offset(), io.length(), Extent::hole);
        break;
      case Op::zero:
        std::memset(at, 0, io.length());
        set_state(io.offset(), io.length(), io.has(Flag::may_trim) ? Extent::sparse : Extent::zero);
        break;
      case Op::cache: break;
      case Op::extents: tell_extents(io); break;
    }
    return Status::success();
  }
  Status read(Io& io, const std::byte* at) {
    if (lend_fd_ >= 0 && io.has(Flag::may_lend)) {
      io.lend(lend_fd_, io.offset());
      return Status::success();
    }
    const auto first = states_.begin() + static_cast<std::ptrdiff_t>(io.offset());
    const bool all_zero = std::all_of(first, first + static_cast<std::ptrdiff_t>(io.length()),
                                      [](std::uint8_t s) { return (s & ASHLAR_ZERO) != 0; });
    if (io.has(Flag::may_hole) && all_zero) static_cast<void>(io.add_extent(io.length(), Extent::sparse));
    else if (io.has(Flag::lend_only)) return Status::would_block();
    else std::memcpy(io.buffer().data(), at, io.length());
    return Status::success();
  }
  // Goes on to the end of the extent that holds the end of the request, as a file system would.
  void tell_extents(Io& io) const {
    for (std::uint64_t at = io.offset(); at < io.end();) {
      std::uint64_t end = at + 1;
      while (end < states_.size() && states_[end] == states_[at]) ++end;
      if (!io.add_extent(end - at, ExtentState{states_[at]}) || io.has(Flag::req_one)) return;
      at = end;
    }
  }
  void copy_durable(std::uint64_t offset, std::uint64_t length) {
    std::memcpy(durable_.data() + offset, bytes_.data() + offset, length);
  }

  Geometry geometry_;
  ashlar_geometry below_{sizeof(ashlar_geometry), 0, 0, 0, 0, 0, 0, 0, 0, 0};
  std::vector<std::byte> bytes_, durable_;
  std::vector<std::uint8_t> states_;  // of each byte
  std::vector<Failing<Op>> failing_;
  std::vector<Failing<std::size_t>> failing_calls_;
  bool blocks_ = false;
  int lend_fd_ = -1;
  std::function<void(const Call&)> on_call_;
  mutable std::mutex mutex_;
  std::vector<Call> calls_;
  std::vector<std::string> breaches_;
  const ashlar_device device_{sizeof(ashlar_device), 0, this, &describe, &process, &close, nullptr};
};

}  // namespace ashlar::testing
