// Waiting, locks, threads and connections.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "liar.hpp"

namespace lying {
namespace {

Status sleeps(Liar& f, Io& io) noexcept {
  if (io.has(Flag::nowait) || f.layer.is("parks_and_sleeps")) ::usleep(3000);
  return f.hand_on(io);
}
Status sleeps_when_long(Liar& f, Io& io) noexcept {
  if (io.has(Flag::nowait) && io.length() > 16384) ::usleep(3000);
  return f.hand_on(io);
}
Status hangs(Liar& f, Io& io) noexcept {
  if (io.offset() >= later) sleep_for_ever(nullptr);
  return f.hand_on(io);
}
Status crashes(Liar& f, Io& io) noexcept {
  if (io.offset() >= later) std::abort();
  return f.hand_on(io);
}
Status holds_mutex(Liar& f, Io& io) noexcept {
  const std::lock_guard guard(f.layer.mutex);
  return f.next(io);
}
Status holds_recursive_mutex(Liar& f, Io& io) noexcept {
  const std::lock_guard guard(f.layer.recursive);
  return f.next(io);
}
Status holds_a_timed_mutex(Liar& f, Io& io) noexcept {
  const std::unique_lock lock(f.layer.timed, std::chrono::seconds(1));
  return f.next(io);
}
Status holds_a_mutex_of_c(Liar& f, Io& io) noexcept {
  ::mtx_lock(&f.layer.of_c);
  const Status s = f.next(io);
  ::mtx_unlock(&f.layer.of_c);
  return s;
}
Status locks_for_a_moment(Liar& f, Io& io) noexcept {  // no lie
  { const std::unique_lock lock(f.layer.timed, std::chrono::seconds(1)); }
  ::mtx_lock(&f.layer.of_c);
  ::mtx_unlock(&f.layer.of_c);
  return f.hand_on(io);
}
// What comes to its own sink, it looks at below first, or after a while.
template <class Then>
Status told_after(Liar& f, Io& io, Then then) noexcept {
  if (io.op() != Op::extents) return f.hand_on(io);
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    then();
    return io.add_extent(bytes, state);
  });
  Io other(io, Op::extents, io.offset(), io.length(), io.flags());
  other.set_sink(&sink);
  return f.next(other);
}
Status asks_below_within_a_sink(Liar& f, Io& io) noexcept {
  return told_after(f, io, [&] { f.read_something(); });
}
Status waits_within_a_sink(Liar& f, Io& io) noexcept {
  return told_after(f, io, [&] { f.layer.wait.sleep_until(std::chrono::steady_clock::now()); });
}
Status spins_for_its_turn(Liar& f, Io& io) noexcept {  // where another writes the same blocks
  if (io.op() != Op::write || io.has(Flag::nowait) || io.offset() > later) return f.hand_on(io);
  while (f.layer.taken.exchange(true)) ::usleep(100);
  const Status s = f.next(io);
  f.layer.taken = false;
  return s;
}
Status reopens_under_a_lock(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  if (!s.failed() || !f.reopen || !*f.reopen) return s;
  const std::lock_guard guard(f.mutex);
  static_cast<void>(f.reopen->reopen(f.reopen->generation()));
  return s;
}
Status keeps_thread_local(Liar& f, Io& io) noexcept {
  thread_local std::uint64_t offset;
  offset = io.offset();
  if (io.op() != Op::write || io.has(Flag::nowait)) return f.hand_on(io);
  const Status s = f.next(io);
  const std::byte first = io.payload()[0];  // once more, to where it thinks to be
  return s.ok() ? f.next(Io::write(io, offset, std::span(&first, 1))) : s;
}
Status asks_below_on_another_thread(Liar& f, Io& io) noexcept {
  Status s;
  std::thread other([&] { s = f.next(io); });
  other.join();
  return s;
}
Status patches(Liar& f, Io& io, std::mutex* mutex) noexcept {
  if (f.below().minimum == 1 || (io.op() != Op::write && io.op() != Op::read)) return f.hand_on(io);
  if (io.has(Flag::nowait)) return Status::would_block();
  const std::uint64_t size = f.below().minimum, begin = io.offset() / size * size;
  const std::uint64_t end = std::min((io.end() + size - 1) / size * size, f.below().size);
  std::vector<std::byte> whole(end - begin);
  const std::unique_lock lock = mutex != nullptr ? std::unique_lock(*mutex) : std::unique_lock<std::mutex>();
  Status s = f.next(Io::read(io, begin, whole));
  if (s.failed()) return s;
  std::byte* const at = whole.data() + (io.offset() - begin);
  if (io.op() == Op::read) std::memcpy(io.data, at, io.length());
  else std::memcpy(at, io.data, io.length());
  return io.op() == Op::read ? s : f.next(Io::write(io, begin, whole, io.flags() & Flag::fua));
}
Status patches_without_a_lock(Liar& f, Io& io) noexcept { return patches(f, io, nullptr); }
Status patches_with_a_lock_of_its_own(Liar& f, Io& io) noexcept { return patches(f, io, &f.mutex); }
Status patches_pages(Liar& f, Io& io) noexcept {  // though the layer below writes any byte
  constexpr std::uint64_t page = 4096;
  if (f.below().minimum != 1 || io.op() != Op::write || io.length() % page == 0) return f.hand_on(io);
  if (io.has(Flag::nowait)) return Status::would_block();
  const std::uint64_t begin = io.offset() / page * page;
  const std::uint64_t end = std::min((io.end() + page - 1) / page * page, f.below().size);
  std::vector<std::byte> whole(end - begin);
  const Status s = f.next(Io::read(io, begin, whole));
  if (s.failed()) return s;
  std::memcpy(whole.data() + (io.offset() - begin), io.data, io.length());
  return f.next(Io::write(io, begin, whole, io.flags() & Flag::fua));
}
void any_byte(Liar&, Geometry& g) { g.minimum = 1; }

Status one_buffer_for_all_layers(Liar& f, Io& io) noexcept {
  static std::byte shared[4096];
  if (io.op() != Op::write || io.length() > sizeof shared || io.has(Flag::nowait)) return f.hand_on(io);
  std::memcpy(shared, io.payload().data(), io.length());
  std::this_thread::yield();
  return f.next(Io::write(io, io.offset(), std::span(shared).first(io.length()), io.flags()));
}

// Connections.
Status keeps_writes_to_itself(Liar& f, Io& io) noexcept {  // what it wrote last, it reads from memory
  if (io.op() == Op::write && !io.has(Flag::nowait)) {
    const std::lock_guard guard(f.mutex);
    f.kept_at = io.offset();
    f.kept.assign(io.payload().begin(), io.payload().end());
    return Status::success();
  }
  if (io.op() == Op::read && !io.has(Flag::lend_only)) {
    const Status s = f.without(io, Flag::may_lend | Flag::may_hole | Flag::may_lend_cold);
    const std::lock_guard guard(f.mutex);
    for (std::size_t i = 0; s.ok() && i < f.kept.size(); ++i)
      if (f.kept_at + i >= io.offset() && f.kept_at + i < io.end())
        io.buffer()[f.kept_at + i - io.offset()] = f.kept[i];
    return s;
  }
  return f.hand_on(io);
}
Status loses_what_was_not_flushed_when_closed(Liar& f, Io& io) noexcept {
  if (Ops::writing().has(io.op()) || io.op() == Op::flush) {
    const std::vector<std::byte> kept = std::exchange(f.kept, {});
    if (const Status s = kept.empty() ? Status::success() : f.next(Io::write(io, f.kept_at, kept)); !s.ok()) return s;
  }
  return keeps_writes_to_itself(f, io);
}
void reads_writes_and_flushes(Liar& f, Geometry& g) {
  g.ops = Op::read | Op::write | (f.below().ops & Ops{Op::flush});
  g.flags = Flag::none;
  g.multi_conn = false;
}
void reads_and_writes(Liar&, Geometry& g) {
  g.ops = Op::read | Op::write;
  g.flags = Flag::none;
}
Status by(const ashlar_device* device, Io& io) noexcept { return Status{device->process(device->self, &io)}; }
Status uses_the_first_connection(Liar& f, Io& io) noexcept { return by(f.layer.first_next, io); }
Status uses_the_last_connection(Liar& f, Io& io) noexcept { return by(f.layer.last_next, io); }
Status passes_flags_on(Liar& f, Io& io) noexcept { return by(&f.raw_next, io); }
void claims_promises(Liar&, Geometry& g) { g.flags |= Flag::fua | Flag::fast; }

constexpr Lie lies[] = {
    LIE(sleeps),
    {"parks_and_sleeps", &sleeps, [](Liar&, Geometry& g) { g.parks = true; }},
    LIE(sleeps_when_long),
    LIE(hangs),
    LIE(crashes),
    LIE(holds_mutex),
    LIE(holds_recursive_mutex),
    LIE(holds_a_timed_mutex),
    LIE(holds_a_mutex_of_c),
    LIE(locks_for_a_moment),
    LIE(asks_below_within_a_sink),
    LIE(waits_within_a_sink),
    LIE(spins_for_its_turn),
    LIE(reopens_under_a_lock),
    LIE(keeps_thread_local),
    LIE(asks_below_on_another_thread),
    {"patches_without_a_lock", &patches_without_a_lock, &any_byte},
    {"patches_with_a_lock_of_its_own", &patches_with_a_lock_of_its_own, &any_byte},
    LIE(patches_pages),
    LIE(one_buffer_for_all_layers),
    {"keeps_writes_to_itself", &keeps_writes_to_itself, &reads_and_writes},
    {"loses_what_was_not_flushed_when_closed", &loses_what_was_not_flushed_when_closed, &reads_writes_and_flushes},
    LIE(uses_the_first_connection),
    LIE(uses_the_last_connection),
    {"passes_flags_on", &passes_flags_on, &claims_promises},
};

}  // namespace

std::span<const Lie> thread_lies() { return lies; }

}  // namespace lying
