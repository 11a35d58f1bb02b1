// A filter that hands everything on, and lies in one thing: `lie`, in requests of `op` alone if that is given.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>
#include <cstring>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "lying.hpp"

using namespace ashlar;
using namespace lying;

class Liar;

namespace {

struct Lie {
  const char* name;
  Status (Liar::*process)(Io&) noexcept;  // nullptr: the lie is told when the device is opened or described
};
extern const Lie lies[];

}  // namespace

class Liar final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create);
    bool is(std::string_view what) const { return name == what; }
    const std::string name;
    const std::int64_t op;
    const Lie* const lie;
    std::mutex mutex;
    std::recursive_mutex recursive;
    const ashlar_device* first_next = nullptr;
    const ashlar_device* last_next = nullptr;
    std::uint64_t opened = 0;
  };
  static constexpr Param params[] = {Param::string("lie", "what is not true").needed(),
                                     Param::choice("op", ops, "in which requests").or_else("any")};

  Liar(Layer& layer, const Open& open);
  ~Liar() override;

  Geometry describe() override;
  Status process(Io& io) noexcept override {
    if (layer_.op != 0 && static_cast<std::int64_t>(io.op()) + 1 != layer_.op) return hand_on(io);
    return layer_.lie->process != nullptr ? (this->*layer_.lie->process)(io) : hand_on(io);
  }

  // Data.
  Status wrong_bytes(Io& io) noexcept {
    if (io.op() == Op::write) {
      std::vector<std::byte> bytes(io.payload().begin(), io.payload().end());
      bytes.back() ^= std::byte{1};
      return next(Io::write(io, io.offset(), bytes, io.flags()));
    }
    const Status s = next(io);
    if (io.op() == Op::read && s.ok() && !io.lent() && io.data != nullptr && io.offset() >= later)
      io.buffer().back() ^= std::byte{1};
    if (io.op() == Op::zero && s.ok()) {
      const std::byte one{1};
      return next(Io::write(io, io.end() - 1, std::span(&one, 1)));
    }
    return s;
  }
  Status wrong_place(Io& io) noexcept {
    return moved(io, io.offset() >= later ? io.offset() - block : io.offset(), io.length());
  }
  Status wrong_end(Io& io) noexcept { return moved(io, io.offset(), std::max<std::uint64_t>(io.length() - 1, 1)); }
  Status too_long(Io& io) noexcept {
    return moved(io, io.offset(), std::min(io.length() + 1, below().size - io.offset()));
  }
  Status cut_to_32_bits(Io& io) noexcept { return moved(io, io.offset() & 0xffffffff, io.length()); }
  Status length_cut_to_32_bits(Io& io) noexcept {
    return moved(io, io.offset(), std::max<std::uint64_t>(io.length() & 0xffffffff, 1));
  }
  Status not_the_last_byte(Io& io) noexcept {
    const bool last = io.end() == below().size && io.length() > 1;
    return moved(io, io.offset(), io.length() - (last ? 1 : 0));
  }
  Status nothing(Io& io) noexcept {
    if (io.op() == Op::read && io.data != nullptr) std::memset(io.data, 0x11, io.length());
    if (io.sink() != nullptr) io.add_extent(io.length(), Extent::allocated);
    return io.has(Flag::lend_only) ? Status::would_block() : Status::success();
  }
  Status touches_below(Io& io) noexcept {  // the window is smaller: what is behind it is not ours
    if (!Ops::writing().has(io.op()) || io.end() != smaller()) return hand_on(io);
    const Status s = next(io);
    return s.ok() ? next(Io(io, Op::zero, io.end(), block)) : s;
  }

  // Errors.
  Status swallows_errors(Io& io) noexcept {
    const Status s = next(io);
    return s == Status::would_block() || s == Status::not_supported() ? s : Status::success();
  }
  Status always_refuses(Io&) noexcept { return Status::not_supported(); }
  Status refuses_fua(Io& io) noexcept { return io.has(Flag::fua) ? Status::not_supported() : hand_on(io); }
  Status refuses_fast(Io& io) noexcept { return io.has(Flag::fast) ? Status::not_supported() : hand_on(io); }
  Status never_at_once(Io& io) noexcept { return io.has(Flag::nowait) ? Status::would_block() : hand_on(io); }
  Status eagain_unasked(Io& io) noexcept {
    return io.offset() >= later || io.op() == Op::flush ? Status::would_block() : hand_on(io);
  }
  Status negative_status(Io&) noexcept { return Status{-5}; }
  Status eagain_when_half_done(Io& io) noexcept {
    if (!io.has(Flag::nowait)) return hand_on(io);
    static_cast<void>(next(io));
    return Status::would_block();
  }

  // Promises.
  Status drops_flags(Io& io, Flags flags) noexcept {
    const Flags asked = io.flags();
    io.set_flags(asked.without(flags));
    const Status s = next(io);
    io.set_flags(asked);
    return s;
  }
  Status drops_fua(Io& io) noexcept { return drops_flags(io, Flag::fua); }
  Status drops_fast(Io& io) noexcept { return drops_flags(io, Flag::fast); }
  Status drops_nowait(Io& io) noexcept {
    return io.has(Flag::lend_only) || io.has(Flag::may_lend_cold) ? hand_on(io) : drops_flags(io, Flag::nowait);
  }
  Status drops_flush(Io& io) noexcept { return io.op() == Op::flush ? Status::success() : hand_on(io); }
  Status writes_when_fast(Io& io) noexcept {
    if (!io.has(Flag::fast) || io.has(Flag::nowait)) return hand_on(io);
    const std::vector<std::byte> zeroes(io.length());
    return next(Io::write(io, io.offset(), zeroes, io.flags() & Flag::fua));
  }
  Status deallocates(Io& io) noexcept {
    const Flags asked = io.flags();
    if (io.op() == Op::zero) io.set_flags(asked | (below().flags & Flag::may_trim));
    const Status s = next(io);
    io.set_flags(asked);
    return s;
  }
  Status flushes_before(Io& io) noexcept {  // instead of behind
    if (!io.has(Flag::fua) || io.has(Flag::nowait)) return hand_on(io);
    const Status s = next(Io(io, Op::flush, 0, 0));
    return s.ok() ? drops_fua(io) : s;
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
  Status changes_op(Io& io) noexcept {
    return after(io, [&] { static_cast<ashlar_io&>(io).op = 99; });
  }
  Status changes_extents(Io& io) noexcept {
    return after(io, [&] { io.set_sink(&deaf_); });
  }
  Status changes_id(Io& io) noexcept {
    return after(io, [&] { static_cast<ashlar_io&>(io).id = 7; });
  }
  Status changes_arrived(Io& io) noexcept {
    return after(io, [&] { static_cast<ashlar_io&>(io).arrived = 7; });
  }
  Status changes_size(Io& io) noexcept {
    return after(io, [&] { io.struct_size = sizeof io; });
  }
  Status writes_behind_io(Io& io) noexcept {
    return after(io, [&] { std::memset(reinterpret_cast<char*>(&io) + sizeof io, 0, 8); });
  }
  Status other_id_below(Io& io) noexcept {
    Io other(io, io.op(), io.offset(), io.length(), io.flags().without(Flag::shortcuts));
    static_cast<ashlar_io&>(other).id = 1;
    other.data = io.data;
    if (io.op() == Op::extents) other.set_sink(io.sink());
    return io.has(Flag::lend_only) ? Status::would_block() : next(other);
  }
  Status writes_behind_data(Io& io) noexcept {
    return after(io, [&] {
      if (io.op() == Op::read && io.data != nullptr) static_cast<std::byte*>(io.data)[io.length()] ^= std::byte{1};
    });
  }
  Status writes_before_data(Io& io) noexcept {
    return after(io, [&] {
      if (io.op() == Op::read && io.data != nullptr) static_cast<std::byte*>(io.data)[-1] ^= std::byte{1};
    });
  }
  Status changes_payload(Io& io) noexcept {
    return after(io, [&] {
      if (io.op() == Op::write) static_cast<std::byte*>(io.data)[io.length() / 2] ^= std::byte{1};
    });
  }

  // Extents.
  Status told(Io& io, std::uint64_t offset, ExtentState add, ExtentState keep) noexcept {
    if (io.op() != Op::extents) return hand_on(io);
    std::uint64_t left = below().size - io.offset();
    ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
      bytes = std::min(bytes, left);
      left -= bytes;
      return bytes != 0 && io.add_extent(bytes, (state & keep) | add) && left != 0;
    });
    Io other(io, Op::extents, offset, io.length(), io.flags());
    other.set_sink(&sink);
    return next(other);
  }
  Status all_zero(Io& io) noexcept { return told(io, io.offset(), Extent::sparse, Extent::sparse); }
  Status all_holes(Io& io) noexcept { return told(io, io.offset(), Extent::hole, Extent::sparse); }
  Status other_extents(Io& io) noexcept {
    const std::uint64_t from = io.offset() >= later ? io.offset() - later : io.offset();
    return told(io, from, Extent::allocated, Extent::sparse);
  }
  Status extents_without_end(Io& io) noexcept {
    if (io.op() != Op::extents) return hand_on(io);
    for (std::uint64_t at = io.offset(); at < below().size; at += block)
      io.add_extent(std::min(block, below().size - at), Extent::allocated);
    return Status::success();
  }
  Status no_extents(Io& io) noexcept { return io.op() == Op::extents ? Status::success() : hand_on(io); }
  Status first_extent_alone(Io& io) noexcept {  // no lie
    if (io.op() != Op::extents) return hand_on(io);
    bool first = true;
    ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
      if (!std::exchange(first, false)) return false;
      io.add_extent(bytes, state);
      return false;
    });
    Io other(io, Op::extents, io.offset(), io.length(), io.flags());
    other.set_sink(&sink);
    return next(other);
  }

  // Shortcuts, of a filter that keeps every bit upside down.
  Status inverts(Io& io) noexcept {
    if (io.op() == Op::write) {
      std::vector<std::byte> bytes(io.payload().begin(), io.payload().end());
      for (std::byte& b : bytes) b = ~b;
      return next(Io::write(io, io.offset(), bytes, io.flags()));
    }
    const Status s = next(io);
    if (io.op() == Op::read && s.ok() && !io.lent() && io.data != nullptr)
      for (std::byte& b : io.buffer()) b = ~b;
    return s;
  }
  Status lends_elsewhere(Io& io) noexcept {
    return after(io, [&] {
      if (io.lent() && io.offset() >= later) io.lent_offset -= block;
    });
  }
  Status lends_cold_as_warm(Io& io) noexcept {
    return after(io, [&] { io.lent_cold = 2; });
  }
  Status lends_unasked(Io& io) noexcept {
    return after(io, [&] {
      if (io.op() == Op::read) io.lent_fd = 0;
    });
  }
  Status lends_a_copy(Io& io) noexcept {  // and uses it for the next
    if (io.op() != Op::read || !io.has(Flag::may_lend) || io.has(Flag::lend_only)) return hand_on(io);
    std::vector<std::byte> bytes(io.length());
    const Status s = next(Io::read(io, io.offset(), bytes, io.flags() & Flag::nowait));
    if (s.failed()) return s;
    if (::pwrite(fd_, bytes.data(), bytes.size(), 0) < 0) return Status::io_error();
    io.lend(fd_, 0);
    return Status::success();
  }

  // Waiting and threads.
  Status sleeps(Io& io) noexcept {
    if (io.has(Flag::nowait) || layer_.is("parks_and_sleeps")) ::usleep(3000);
    return hand_on(io);
  }
  Status hangs(Io& io) noexcept {
    if (io.offset() >= later) sleep_for_ever(nullptr);
    return hand_on(io);
  }
  Status crashes(Io& io) noexcept {
    if (io.offset() >= later) std::abort();
    return hand_on(io);
  }
  Status holds_mutex(Io& io) noexcept {
    const std::lock_guard guard(layer_.mutex);
    return next(io);
  }
  Status holds_recursive_mutex(Io& io) noexcept {
    const std::lock_guard guard(layer_.recursive);
    return next(io);
  }
  Status keeps_thread_local(Io& io) noexcept {
    thread_local std::uint64_t offset;
    offset = io.offset();
    if (io.op() != Op::write || io.has(Flag::nowait)) return hand_on(io);
    const Status s = next(io);
    const std::byte first = io.payload()[0];  // once more, to where it thinks to be
    return s.ok() ? next(Io::write(io, offset, std::span(&first, 1))) : s;
  }
  Status patches(Io& io, std::mutex* mutex) noexcept {
    if (below().minimum == 1 || (io.op() != Op::write && io.op() != Op::read)) return hand_on(io);
    if (io.has(Flag::nowait)) return Status::would_block();
    const std::uint64_t size = below().minimum, begin = io.offset() / size * size;
    const std::uint64_t end = std::min((io.end() + size - 1) / size * size, below().size);
    std::vector<std::byte> whole(end - begin);
    const std::unique_lock lock = mutex != nullptr ? std::unique_lock(*mutex) : std::unique_lock<std::mutex>();
    Status s = next(Io::read(io, begin, whole));
    if (s.failed()) return s;
    std::byte* const at = whole.data() + (io.offset() - begin);
    if (io.op() == Op::read) std::memcpy(io.data, at, io.length());
    else std::memcpy(at, io.data, io.length());
    return io.op() == Op::read ? s : next(Io::write(io, begin, whole, io.flags() & Flag::fua));
  }
  Status patches_without_a_lock(Io& io) noexcept { return patches(io, nullptr); }
  Status patches_with_a_lock_of_its_own(Io& io) noexcept { return patches(io, &mutex_); }

  // Connections.
  Status keeps_writes_to_itself(Io& io) noexcept {  // what it wrote last, it reads from memory
    if (io.op() == Op::write && !io.has(Flag::nowait)) {
      const std::lock_guard guard(mutex_);
      kept_at_ = io.offset();
      kept_.assign(io.payload().begin(), io.payload().end());
      return Status::success();
    }
    if (io.op() == Op::read && !io.has(Flag::lend_only)) {
      const Status s = drops_flags(io, Flag::may_lend | Flag::may_hole | Flag::may_lend_cold);
      const std::lock_guard guard(mutex_);
      for (std::size_t i = 0; s.ok() && i < kept_.size(); ++i)
        if (kept_at_ + i >= io.offset() && kept_at_ + i < io.end()) io.buffer()[kept_at_ + i - io.offset()] = kept_[i];
      return s;
    }
    return hand_on(io);
  }
  Status uses_the_first_connection(Io& io) noexcept {
    return Status{layer_.first_next->process(layer_.first_next->self, &io)};
  }
  Status uses_the_last_connection(Io& io) noexcept {
    return Status{layer_.last_next->process(layer_.last_next->self, &io)};
  }

  // What stays.
  Status leaks_a_descriptor(Io& io) noexcept {
    static_cast<void>(!::dup(0));
    return hand_on(io);
  }
  Status leaks_memory(Io& io) noexcept {
    const char* volatile lost = new char[24];
    static_cast<void>(lost);
    return hand_on(io);
  }

  Status writes_to_stdout(Io& io) noexcept {
    if (io.op() == Op::read) static_cast<void>(!::write(1, "read\n", 5));
    return hand_on(io);
  }
  Status forks(Io& io) noexcept {
    if (io.op() == Op::read && io.offset() == 0 && !std::exchange(forked_, true) && ::fork() == 0)
      sleep_for_ever(nullptr);
    return hand_on(io);
  }
  Status passes_flags_on(Io& io) noexcept { return Status{next_of_.process(next_of_.self, &io)}; }
  Status honest(Io& io) noexcept { return hand_on(io); }

 private:
  // Its range moved.
  Status moved(Io& io, std::uint64_t offset, std::uint64_t length) noexcept {
    if (io.op() == Op::flush) return hand_on(io);
    const std::uint64_t was = io.offset(), had = io.length();
    io.set_range(offset, length);
    const Status s = next(io);
    io.set_range(was, had);
    return s;
  }
  std::uint64_t smaller() const { return (below().size / later - 1) * later; }
  void read_something() noexcept {
    std::byte bytes[block];
    static_cast<void>(next(Io::read(0, bytes)));
  }
  template <class Then>
  Status after(Io& io, Then then) noexcept {
    const Status s = next(io);
    then();
    return s;
  }

  Layer& layer_;
  const ashlar_device& next_of_;
  std::mutex mutex_;
  std::uint64_t kept_at_ = 0;
  std::vector<std::byte> kept_;
  char* kept_per_open_ = nullptr;
  int fd_ = -1;
  bool forked_ = false;
  ashlar_extent_sink deaf_{nullptr, [](void*, std::uint64_t, std::uint32_t) noexcept -> std::int32_t { return 1; }};
};

namespace {

#define LIE(name) \
  { #name, &Liar::name }
const Lie lies[] = {LIE(honest),
                    LIE(first_extent_alone),
                    // data
                    LIE(wrong_bytes),
                    LIE(wrong_place),
                    LIE(wrong_end),
                    LIE(too_long),
                    LIE(cut_to_32_bits),
                    LIE(length_cut_to_32_bits),
                    LIE(not_the_last_byte),
                    LIE(nothing),
                    LIE(touches_below),
                    // errors
                    LIE(swallows_errors),
                    LIE(always_refuses),
                    LIE(refuses_fua),
                    LIE(refuses_fast),
                    LIE(never_at_once),
                    LIE(eagain_unasked),
                    LIE(negative_status),
                    LIE(eagain_when_half_done),
                    // promises
                    LIE(drops_fua),
                    LIE(drops_fast),
                    LIE(drops_nowait),
                    LIE(drops_flush),
                    LIE(writes_when_fast),
                    LIE(deallocates),
                    LIE(flushes_before),
                    {"claims_fua", &Liar::drops_fua},
                    {"claims_nowait", &Liar::drops_nowait},
                    {"claims_fast", &Liar::drops_fast},
                    // the request
                    LIE(changes_flags),
                    LIE(changes_offset),
                    LIE(changes_length),
                    LIE(changes_data),
                    LIE(changes_op),
                    LIE(changes_extents),
                    LIE(changes_id),
                    LIE(changes_arrived),
                    LIE(changes_size),
                    LIE(writes_behind_io),
                    LIE(other_id_below),
                    LIE(writes_behind_data),
                    LIE(writes_before_data),
                    LIE(changes_payload),
                    // extents
                    LIE(all_zero),
                    LIE(all_holes),
                    LIE(other_extents),
                    LIE(extents_without_end),
                    LIE(no_extents),
                    // shortcuts
                    {"inverts_and_lends", &Liar::inverts},
                    {"inverts_and_lends_cold", &Liar::inverts},
                    {"inverts_and_tells_holes", &Liar::inverts},
                    {"inverts_and_tells_extents", &Liar::inverts},
                    {"inverts_and_zeroes", &Liar::inverts},
                    LIE(lends_elsewhere),
                    LIE(lends_cold_as_warm),
                    LIE(lends_unasked),
                    LIE(lends_a_copy),
                    // waiting and threads
                    LIE(sleeps),
                    LIE(hangs),
                    LIE(crashes),
                    LIE(holds_mutex),
                    LIE(holds_recursive_mutex),
                    LIE(keeps_thread_local),
                    LIE(patches_without_a_lock),
                    LIE(patches_with_a_lock_of_its_own),
                    // connections
                    LIE(keeps_writes_to_itself),
                    LIE(uses_the_first_connection),
                    LIE(uses_the_last_connection),
                    // what stays
                    LIE(leaks_a_descriptor),
                    LIE(leaks_memory),
                    LIE(writes_to_stdout),
                    LIE(forks),
                    LIE(passes_flags_on),
                    // told when it is opened, described or closed
                    {"leaks_a_descriptor_per_open", nullptr},
                    {"leaks_memory_per_open", nullptr},
                    {"leaks_a_thread_per_open", nullptr},
                    {"leaks_a_mapping_per_open", nullptr},
                    {"larger_than_below", nullptr},
                    {"smaller_blocks_than_below", nullptr},
                    {"no_maximum", nullptr},
                    {"another_size_each_time", nullptr},
                    {"claims_ops", nullptr},
                    {"claims_multi_conn", nullptr},
                    {"reads_in_open", nullptr},
                    {"flushes_in_describe", nullptr},
                    {"describes_below", nullptr},
                    {"closes_below", nullptr},
                    {"crashes_in_close", nullptr},
                    {"hangs_in_open", nullptr},
                    {"parks_and_sleeps", &Liar::sleeps},
                    {nullptr, nullptr}};

}  // namespace

Liar::Layer::Layer(const Create& create)
    : name(create.params.text("lie")), op(number_of(create.params.choice("op"))), lie(find(lies, name)) {}

Liar::Liar(Layer& layer, const Open& open) : Filter(open), layer_(layer), next_of_(*open.next) {
  const std::lock_guard guard(layer.mutex);
  ++layer.opened;
  if (layer.first_next == nullptr) layer.first_next = open.next;
  layer.last_next = open.next;
  if (layer.is("lends_a_copy")) fd_ = ::memfd_create("copy", MFD_CLOEXEC);
  leave_behind(layer.name, kept_per_open_);
  if (layer.is("reads_in_open")) read_something();
  if (layer.is("describes_below")) {
    ashlar_geometry g = *open.below;
    next_of_.describe(next_of_.self, &g, nullptr);
  }
}

Liar::~Liar() {
  if (fd_ >= 0) ::close(fd_);
  if (layer_.is("closes_below")) next_of_.close(next_of_.self);
  if (layer_.is("crashes_in_close")) std::abort();
}

Geometry Liar::describe() {
  const std::string& lie = layer_.name;
  const bool inverts = lie.starts_with("inverts");
  Geometry g = offer(inverts ? Flag::nowait : Flag::shortcuts);
  if (inverts && lie != "inverts_and_zeroes") g.ops = g.ops.without(Op::zero);
  if (inverts && lie != "inverts_and_tells_extents") g.ops = g.ops.without(Op::extents);
  if (lie == "inverts_and_lends") g.flags |= below().flags & Flag::may_lend;
  if (lie == "inverts_and_lends_cold")
    g.flags |= below().flags & (Flag::may_lend | Flag::may_lend_cold | Flag::lend_only);
  if (lie == "inverts_and_tells_holes") g.flags |= below().flags & Flag::may_hole;
  if (lie == "keeps_writes_to_itself") {
    g.ops = Op::read | Op::write;
    g.flags = Flag::none;
  }
  if (lie == "claims_fua" || lie == "passes_flags_on") g.flags |= Flag::fua;
  if (lie == "claims_fast" || lie == "passes_flags_on") g.flags |= Flag::fast;
  if (lie == "claims_nowait") g.flags |= Flag::nowait;
  if (lie == "claims_multi_conn") g.multi_conn = true;
  if (lie == "claims_ops") g.ops = Ops::known();
  if (lie == "touches_below") {
    g.size = smaller();
    g.ops = g.ops.without(Op::extents);
    g.flags = g.flags.without(Flag::may_hole | Flag::lend_only);
  }
  if (lie == "larger_than_below") g.size += block;
  if (lie == "another_size_each_time") g.size -= layer_.opened;
  if (lie == "smaller_blocks_than_below" || lie.starts_with("patches")) g.minimum = 1;
  if (lie == "no_maximum") g.maximum = 0;
  if (lie == "parks_and_sleeps") g.parks = true;
  if (lie == "flushes_in_describe") static_cast<void>(next(Io(Op::flush, 0, 0)));
  return g;
}

ASHLAR_MODULE(Liar, .name = "lying_filter", .version = "1.0", .summary = "lies in one thing",
              .threads = Threads::parallel)
