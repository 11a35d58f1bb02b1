// A disk in memory that lies in one thing: `lie`, in requests of `op` alone if that is given.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <ashlar/plugin.hpp>
#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "lying.hpp"

using namespace ashlar;
using namespace lying;

namespace {

// Sparse, in memory; all zeroes at first.
class File {
 public:
  explicit File(std::uint64_t size) : fd_(::memfd_create("liar", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(size)) != 0)
      throw std::system_error(errno, std::generic_category(), "no memory");
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

class Liar;

namespace {

struct Lie {
  const char* name;
  Status (Liar::*process)(Io&) noexcept;  // nullptr: the lie is told when the device is opened or described
};
extern const Lie lies[];

}  // namespace

class Liar final : public Plugin {
 public:
  struct Layer {
    explicit Layer(const Create& create);
    bool is(std::string_view what) const { return name == what; }
    const std::string name;
    const std::int64_t op;
    const std::uint64_t size;
    const Lie* const lie;
    File file;
    std::atomic<std::uint64_t> opened{0};
  };
  static constexpr Param params[] = {Param::string("lie", "what is not true").needed(),
                                     Param::choice("op", ops, "in which requests").or_else("any"),
                                     Param::size("size", "of the disk").or_else("4M")};

  Liar(Layer& layer, const Open& open);
  ~Liar() override;

  Geometry describe() override;
  Status process(Io& io) noexcept override {
    if (layer_.op != 0 && static_cast<std::int64_t>(io.op()) + 1 != layer_.op) return honest(io);
    return layer_.lie->process != nullptr ? (this->*layer_.lie->process)(io) : honest(io);
  }
  // Overridden, so that they are offered.
  Status read(Io& io) noexcept override { return honest(io); }
  Status write(Io& io) noexcept override { return honest(io); }
  Status flush(Io& io) noexcept override { return honest(io); }
  Status trim(Io& io) noexcept override { return honest(io); }
  Status zero(Io& io) noexcept override { return honest(io); }
  Status cache(Io& io) noexcept override { return honest(io); }
  Status extents(Io& io) noexcept override { return honest(io); }

  Status honest(Io& io) noexcept {
    switch (io.op()) {
      case Op::read: return read_it(io);
      case Op::write: return put(io.offset(), io.payload().data(), io.length());
      case Op::trim:
      case Op::zero: return clear(io.offset(), io.length());
      case Op::extents: return tell(io);
      default: return Status::success();
    }
  }

  // Data.
  Status wrong_bytes(Io& io) noexcept {
    const Status s = honest(io);
    if (io.op() == Op::read && s.ok() && filled(io) && io.offset() >= later) io.buffer().back() ^= std::byte{1};
    if (io.op() == Op::write && s.ok()) {
      const std::byte wrong = io.payload().back() ^ std::byte{1};
      return put(io.end() - 1, &wrong, 1);
    }
    const std::byte one{1};
    return io.op() == Op::zero && s.ok() ? put(io.end() - 1, &one, 1) : s;
  }
  Status wrong_bytes_when_durable(Io& io) noexcept { return io.has(Flag::fua) ? wrong_bytes(io) : honest(io); }
  Status wrong_bytes_when_fast(Io& io) noexcept { return io.has(Flag::fast) ? wrong_bytes(io) : honest(io); }
  Status wrong_bytes_when_it_may_trim(Io& io) noexcept { return io.has(Flag::may_trim) ? wrong_bytes(io) : honest(io); }
  Status wrong_bytes_without_waiting(Io& io) noexcept { return io.has(Flag::nowait) ? wrong_bytes(io) : honest(io); }
  Status wrong_place(Io& io) noexcept {
    return moved(io, io.offset() >= later ? io.offset() - block : io.offset(), io.length());
  }
  Status wrong_end(Io& io) noexcept { return moved(io, io.offset(), std::max<std::uint64_t>(io.length() - 1, 1)); }
  Status too_long(Io& io) noexcept {
    return moved(io, io.offset(), std::min(io.length() + 1, layer_.size - io.offset()));
  }
  Status cut_to_32_bits(Io& io) noexcept { return moved(io, io.offset() & 0xffffffff, io.length()); }
  Status cut_to_31_bits(Io& io) noexcept { return moved(io, io.offset() & 0x7fffffff, io.length()); }
  Status length_cut_to_32_bits(Io& io) noexcept {
    return moved(io, io.offset(), std::max<std::uint64_t>(io.length() & 0xffffffff, 1));
  }
  Status not_the_last_byte(Io& io) noexcept {
    if (io.end() != layer_.size) return honest(io);
    return io.length() == 1 ? Status::success() : moved(io, io.offset(), io.length() - 1);
  }
  Status nothing(Io& io) noexcept { return io.op() == Op::read ? honest(io) : Status::success(); }
  Status nothing_beyond_4_gib(Io& io) noexcept { return io.end() > std::uint64_t{1} << 32 ? nothing(io) : honest(io); }
  Status short_reads(Io& io) noexcept {
    if (io.op() != Op::read || !filled(io) || io.length() < 100000) return honest(io);
    return moved(io, io.offset(), 65536);
  }
  Status writes_late(Io& io) noexcept {  // when the caller has its memory back
    if (io.op() != Op::write) return finish(), honest(io);
    finish();
    late_ = std::thread([this, at = io.offset(), from = io.payload().data(), n = io.length()] {
      ::usleep(300);
      static_cast<void>(put(at, from, n));
    });
    return Status::success();
  }

  // Errors and answers.
  Status always_refuses(Io&) noexcept { return Status::not_supported(); }
  Status refuses_fua(Io& io) noexcept { return io.has(Flag::fua) ? Status::not_supported() : honest(io); }
  Status refuses_fast(Io& io) noexcept { return io.has(Flag::fast) ? Status::not_supported() : honest(io); }
  Status refuses_may_trim(Io& io) noexcept { return io.has(Flag::may_trim) ? Status::not_supported() : honest(io); }
  Status refuses_req_one(Io& io) noexcept { return io.has(Flag::req_one) ? Status::invalid() : honest(io); }
  Status eagain_unasked(Io& io) noexcept { return io.offset() >= later ? Status::would_block() : honest(io); }
  Status eagain_when_half_done(Io& io) noexcept {
    if (!io.has(Flag::nowait)) return honest(io);
    static_cast<void>(honest(io));
    return Status::would_block();
  }
  Status fails_when_fast_but_zeroes_a_part(Io& io) noexcept {
    if (io.op() != Op::zero || !io.has(Flag::fast)) return honest(io);
    static_cast<void>(clear(io.offset(), io.length() / 2));
    return Status::not_supported();
  }

  // The request.
  Status changes_flags(Io& io) noexcept {
    return after(io, [&] { io.set_flags(Flags{~std::uint64_t{0}}); });
  }
  Status changes_offset(Io& io) noexcept {
    return after(io, [&] { io.set_offset(io.end()); });
  }
  Status changes_length(Io& io) noexcept {
    return after(io, [&] { io.set_range(io.offset(), 0); });
  }
  Status changes_data(Io& io) noexcept {
    return after(io, [&] { io.data = static_cast<std::byte*>(io.data) + io.length(); });
  }
  Status changes_payload(Io& io) noexcept {
    return after(io, [&] {
      if (io.op() == Op::write) static_cast<std::byte*>(io.data)[io.length() / 2] ^= std::byte{1};
    });
  }
  Status writes_behind_data(Io& io) noexcept {
    return after(io, [&] {
      if (io.op() == Op::read && filled(io)) static_cast<std::byte*>(io.data)[io.length()] ^= std::byte{1};
    });
  }
  Status writes_before_data(Io& io) noexcept {
    return after(io, [&] {
      if (io.op() == Op::read && filled(io)) static_cast<std::byte*>(io.data)[-1] ^= std::byte{1};
    });
  }
  Status reads_behind_data(Io& io) noexcept {
    const volatile auto* const behind = static_cast<const std::byte*>(io.data) + io.length();
    if (io.op() == Op::write) static_cast<void>(*behind);
    return honest(io);
  }

  // Extents, holes and lending.
  Status all_zero(Io& io) noexcept {
    if (io.op() == Op::extents) io.add_extent(io.length(), Extent::sparse);
    return io.op() == Op::extents ? Status::success() : honest(io);
  }
  Status extents_for_ever(Io& io) noexcept {
    for (std::uint64_t at = io.offset(); io.op() == Op::extents && at < layer_.size; ++at)
      io.add_extent(1, Extent::allocated);
    return io.op() == Op::extents ? Status::success() : honest(io);
  }
  Status extents_past_the_end(Io& io) noexcept {
    if (io.op() == Op::extents) io.add_extent(layer_.size, Extent::allocated);
    return io.op() == Op::extents ? Status::success() : honest(io);
  }
  Status holes_everywhere(Io& io) noexcept {
    if (!io.has(Flag::may_hole)) return honest(io);
    io.add_extent(io.length(), Extent::sparse);
    return Status::success();
  }
  Status half_a_hole(Io& io) noexcept {
    if (!io.has(Flag::may_hole) || io.has(Flag::lend_only) || io.length() < 2) return honest(io);
    const Status s = read_it(io);
    io.add_extent(io.length() / 2, Extent::allocated);
    return s;
  }
  Status lends_elsewhere(Io& io) noexcept {
    return after(io, [&] {
      if (io.lent() && io.offset() >= later) io.lent_offset -= block;
    });
  }
  Status lends_closed_descriptors(Io& io) noexcept {
    return after(io, [&] {
      if (io.lent()) io.lent_fd = 1000;
    });
  }
  Status lends_one_page_for_all(Io& io) noexcept {
    if (io.op() != Op::read || !io.has(Flag::may_lend)) return honest(io);
    std::vector<std::byte> bytes(io.length());
    static_cast<void>(!::pread(layer_.file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(io.offset())));
    static_cast<void>(!::pwrite(own_.fd(), bytes.data(), bytes.size(), 0));
    io.lend(own_.fd(), 0);
    return Status::success();
  }

  // Waiting, threads, connections.
  Status sleeps(Io& io) noexcept {
    if (io.has(Flag::nowait) || layer_.is("parks_and_sleeps")) ::usleep(3000);
    return honest(io);
  }
  Status hangs(Io& io) noexcept {
    if (io.offset() >= later) sleep_for_ever(nullptr);
    return honest(io);
  }
  Status crashes(Io& io) noexcept {
    if (io.offset() >= later) std::abort();
    return honest(io);
  }
  Status has_a_disk_of_its_own(Io& io) noexcept {
    fd_ = own_.fd();
    return honest(io);
  }
  Status keeps_writes_to_itself(Io& io) noexcept {  // until the connection is closed
    if (io.op() == Op::write && io.length() <= block) {
      const std::lock_guard guard(mutex_);
      keep(io);
      return Status::success();
    }
    return honest(io);
  }
  Status takes_turns(Io& io) noexcept {  // with one buffer for all threads
    if (io.op() != Op::write || io.length() > sizeof shared_) return honest(io);
    std::memcpy(shared_, io.payload().data(), io.length());
    std::this_thread::yield();
    return put(io.offset(), shared_, io.length());
  }
  Status leaks_a_descriptor(Io& io) noexcept {
    static_cast<void>(!::dup(0));
    return honest(io);
  }
  Status leaks_memory(Io& io) noexcept {
    const char* volatile lost = new char[24];
    static_cast<void>(lost);
    return honest(io);
  }

 private:
  static bool filled(const Io& io) { return !io.lent() && io.data != nullptr && !io.has(Flag::may_hole); }
  Status read_it(Io& io) noexcept {
    if (io.has(Flag::may_lend)) {
      io.lend(fd_, io.offset());
      return Status::success();
    }
    if (::pread(fd_, io.data, io.length(), static_cast<off_t>(io.offset())) != static_cast<ssize_t>(io.length()))
      return Status::io_error();
    for (std::size_t i = 0; i < kept_.size(); ++i)
      if (kept_at_ + i >= io.offset() && kept_at_ + i < io.end()) io.buffer()[kept_at_ + i - io.offset()] = kept_[i];
    return Status::success();
  }
  Status put(std::uint64_t at, const std::byte* from, std::size_t n) noexcept {
    return ::pwrite(fd_, from, n, static_cast<off_t>(at)) == static_cast<ssize_t>(n) ? Status::success()
                                                                                     : Status::no_space();
  }
  Status clear(std::uint64_t at, std::uint64_t n) noexcept {
    constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return ::fallocate(fd_, punch, static_cast<off_t>(at), static_cast<off_t>(n)) == 0 ? Status::success()
                                                                                       : Status::io_error();
  }
  Status tell(Io& io) noexcept {
    for (std::uint64_t at = io.offset(); at < io.end();) {
      off_t data = ::lseek(fd_, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0) data = static_cast<off_t>(io.end());
      const bool hole = static_cast<std::uint64_t>(data) != at;
      const std::uint64_t end = hole ? static_cast<std::uint64_t>(data)
                                     : static_cast<std::uint64_t>(::lseek(fd_, static_cast<off_t>(at), SEEK_HOLE));
      const std::uint64_t n = std::min(end, io.end()) - at;
      if (!io.add_extent(n, hole ? Extent::sparse : Extent::allocated) || io.has(Flag::req_one)) break;
      at += n;
    }
    return Status::success();
  }
  Status moved(Io& io, std::uint64_t offset, std::uint64_t length) noexcept {
    if (io.op() == Op::flush) return honest(io);
    const std::uint64_t was = io.offset(), had = io.length();
    io.set_range(offset, length);
    const Status s = honest(io);
    io.set_range(was, had);
    return s;
  }
  template <class Then>
  Status after(Io& io, Then then) noexcept {
    const Status s = honest(io);
    then();
    return s;
  }
  void keep(const Io& io) {
    kept_at_ = io.offset();
    kept_.assign(io.payload().begin(), io.payload().end());
  }
  void finish() {
    if (late_.joinable()) late_.join();
  }

  Layer& layer_;
  const File own_;
  int fd_;
  std::mutex mutex_;
  std::uint64_t kept_at_ = 0;
  std::vector<std::byte> kept_;
  std::byte shared_[4096];
  std::thread late_;
  char* kept_per_open_ = nullptr;
};

namespace {

#define LIE(name) \
  { #name, &Liar::name }
const Lie lies[] = {LIE(honest),
                    // data
                    LIE(wrong_bytes),
                    LIE(wrong_bytes_when_durable),
                    LIE(wrong_bytes_when_fast),
                    LIE(wrong_bytes_when_it_may_trim),
                    LIE(wrong_bytes_without_waiting),
                    LIE(wrong_place),
                    LIE(wrong_end),
                    LIE(too_long),
                    LIE(cut_to_32_bits),
                    LIE(cut_to_31_bits),
                    LIE(length_cut_to_32_bits),
                    LIE(not_the_last_byte),
                    LIE(nothing),
                    LIE(nothing_beyond_4_gib),
                    LIE(short_reads),
                    LIE(writes_late),
                    // errors and answers
                    LIE(always_refuses),
                    LIE(refuses_fua),
                    LIE(refuses_fast),
                    LIE(refuses_may_trim),
                    LIE(refuses_req_one),
                    LIE(eagain_unasked),
                    LIE(eagain_when_half_done),
                    LIE(fails_when_fast_but_zeroes_a_part),
                    // the request
                    LIE(changes_flags),
                    LIE(changes_offset),
                    LIE(changes_length),
                    LIE(changes_data),
                    LIE(changes_payload),
                    LIE(writes_behind_data),
                    LIE(writes_before_data),
                    LIE(reads_behind_data),
                    // extents, holes and lending
                    LIE(all_zero),
                    LIE(extents_for_ever),
                    LIE(extents_past_the_end),
                    LIE(holes_everywhere),
                    LIE(half_a_hole),
                    LIE(lends_elsewhere),
                    LIE(lends_closed_descriptors),
                    LIE(lends_one_page_for_all),
                    // waiting, threads, connections
                    LIE(sleeps),
                    LIE(hangs),
                    LIE(crashes),
                    LIE(has_a_disk_of_its_own),
                    LIE(keeps_writes_to_itself),
                    LIE(takes_turns),
                    LIE(leaks_a_descriptor),
                    LIE(leaks_memory),
                    {"parks_and_sleeps", &Liar::sleeps},
                    // told when it is opened, described or closed
                    {"leaks_a_descriptor_per_open", nullptr},
                    {"leaks_memory_per_open", nullptr},
                    {"leaks_a_thread_per_open", nullptr},
                    {"leaks_a_mapping_per_open", nullptr},
                    {"another_size_each_time", nullptr},
                    {"larger_than_it_is", nullptr},
                    {"hangs_in_open", nullptr},
                    {"crashes_in_close", nullptr},
                    {nullptr, nullptr}};

}  // namespace

Liar::Layer::Layer(const Create& create)
    : name(create.params.text("lie")),
      op(number_of(create.params.choice("op"))),
      size(create.params.size("size")),
      lie(find(lies, name)),
      file(size) {}

Liar::Liar(Layer& layer, const Open&) : layer_(layer), own_(layer.size), fd_(layer.file.fd()) {
  ++layer.opened;
  leave_behind(layer.name, kept_per_open_);
}

Liar::~Liar() {
  finish();
  if (layer_.is("crashes_in_close")) std::abort();
}

Geometry Liar::describe() {
  Geometry g;
  g.size = layer_.size;
  g.flags = Flag::promises | Flag::nowait | Flag::may_lend | Flag::may_hole;
  g.multi_conn = true;
  if (layer_.is("another_size_each_time")) g.size -= layer_.opened;
  if (layer_.is("larger_than_it_is")) g.size += block;
  if (layer_.is("parks_and_sleeps")) g.parks = true;
  if (layer_.is("keeps_writes_to_itself") || layer_.is("writes_late")) g.flags = Flag::none;
  return g;
}

ASHLAR_MODULE(Liar, .name = "lying_plugin", .version = "1.0", .summary = "lies in one thing",
              .threads = Threads::parallel)
