// What stays behind, and what is told or done when the filter is opened, described and closed.
#include <unistd.h>

#include <new>
#include <utility>

#include "liar.hpp"

namespace lying {
namespace {

Status honest(Liar& f, Io& io) noexcept { return f.hand_on(io); }

Status leaks_a_descriptor(Liar& f, Io& io) noexcept {
  static_cast<void>(!::dup(0));
  return f.hand_on(io);
}
Status leaks_memory(Liar& f, Io& io) noexcept {
  const char* volatile lost = new char[24];
  static_cast<void>(lost);
  return f.hand_on(io);
}
Status leaks_memory_when_it_fails(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  const char* volatile lost = s.failed() && s != Status::would_block() ? new char[24] : nullptr;
  static_cast<void>(lost);
  return s;
}
Status leaks_memory_when_it_would_wait(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  const char* volatile lost = s == Status::would_block() ? new char[24] : nullptr;
  static_cast<void>(lost);
  return s;
}
Status leaks_memory_off_blocks(Liar& f, Io& io) noexcept {
  const char* volatile lost = io.length() % 4096 != 0 || io.offset() % 4096 != 0 ? new char[24] : nullptr;
  static_cast<void>(lost);
  return f.hand_on(io);
}
Status leaks_memory_when_fast(Liar& f, Io& io) noexcept {
  const char* volatile lost = io.has(Flag::fast) ? new char[24] : nullptr;
  static_cast<void>(lost);
  return f.hand_on(io);
}
Status fails_when_one_was_closed(Liar& f, Io& io) noexcept {
  return f.layer.taken ? Status::io_error() : f.hand_on(io);
}
Status makes_a_metric_for_each(Liar& f, Io& io) noexcept {
  const std::string name = "request_" + std::to_string(++f.layer.requests);
  Metrics(f.layer.host).counter(name.c_str(), "one request").add();
  return f.hand_on(io);
}
Status writes_to_stdout(Liar& f, Io& io) noexcept {
  if (io.op() == Op::read) static_cast<void>(!::write(1, "read\n", 5));
  return f.hand_on(io);
}
Status forks(Liar& f, Io& io) noexcept {
  if (io.op() == Op::read && io.offset() == 0 && !std::exchange(f.forked, true) && ::fork() == 0)
    sleep_for_ever(nullptr);
  return f.hand_on(io);
}

constexpr Lie lies[] = {
    LIE(honest),
    LIE(leaks_a_descriptor),
    LIE(leaks_memory),
    LIE(leaks_memory_when_it_fails),
    LIE(leaks_memory_when_it_would_wait),
    LIE(leaks_memory_off_blocks),
    LIE(leaks_memory_when_fast),
    {"reopens_within_close"},
    LIE(makes_a_metric_for_each),
    LIE(writes_to_stdout),
    LIE(forks),
    // Of these liar.cpp knows the rest.
    {"leaks_a_descriptor_per_open"},
    {"leaks_memory_per_open"},
    {"leaks_a_thread_per_open"},
    {"leaks_a_mapping_per_open"},
    {"reads_in_open"},
    {"describes_below"},
    {"closes_below"},
    {"crashes_in_close"},
    {"hangs_in_open"},
    {"crashes_for_a_verb"},
    {"crashes_for_a_client_by_tcp"},
    {"closes_what_is_not_its_own"},
    {"closing_one_breaks_the_others", &fails_when_one_was_closed},
    {"larger_than_below", nullptr, [](Liar&, Geometry& g) { g.size += block; }},
    {"smaller_blocks_than_below", nullptr, [](Liar&, Geometry& g) { g.minimum = 1; }},
    {"no_maximum", nullptr, [](Liar&, Geometry& g) { g.maximum = 0; }},
    {"another_size_each_time", nullptr, [](Liar& f, Geometry& g) { g.size -= f.layer.opened; }},
    {"claims_ops", nullptr, [](Liar&, Geometry& g) { g.ops = Ops::known(); }},
    {"flushes_in_describe", nullptr, [](Liar& f, Geometry&) { static_cast<void>(f.next(Io(Op::flush, 0, 0))); }},
};

}  // namespace

std::span<const Lie> life_lies() { return lies; }

}  // namespace lying
