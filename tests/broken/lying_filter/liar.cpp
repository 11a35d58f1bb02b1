#include "liar.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

namespace lying {
namespace {

// Throws BadParameter.
const Lie* find(std::string_view name) {
  for (const auto lies : {&data_lies, &error_lies, &promise_lies, &request_lies, &extent_lies, &shortcut_lies,
                          &thread_lies, &life_lies, &verb_lies})
    for (const Lie& lie : lies())
      if (lie.name == name) return &lie;
  throw BadParameter("lie", "lie: there is none called " + std::string(name));
}

}  // namespace

Layer::Layer(const Create& create)
    : lie(find(create.params.text("lie"))),
      op(number_of(create.params.choice("op"))),
      host(create.host),
      wait(create.host),
      verbs(create) {
  ::mtx_init(&of_c, mtx_plain);
  if (lie->offer != nullptr) lie->offer(*this);
}

Liar::Liar(Layer& of, const Open& open) : Filter(open), layer(of), raw_next(*open.next) {
  const std::lock_guard guard(layer.mutex);
  ++layer.opened;
  if (layer.first_next == nullptr) layer.first_next = open.next;
  layer.last_next = open.next;
  if (layer.is("lends_a_copy")) fd = ::memfd_create("copy", MFD_CLOEXEC);
  if (layer.is("reopens_under_a_lock") || layer.is("reopens_within_close")) reopen.emplace(open);
  if (layer.is("crashes_for_a_verb") && open.purpose == Purpose::verb) std::abort();
  if (layer.is("crashes_for_a_client_by_tcp") && open.client && open.client->transport() == Transport::tcp)
    std::abort();
  leave_behind(layer.lie->name, kept_per_open);
  if (layer.is("reads_in_open")) read_something();
  if (layer.is("describes_below")) {
    ashlar_geometry g = *open.below;
    raw_next.describe(raw_next.self, &g, nullptr);
  }
}

Liar::~Liar() {
  if (fd >= 0) ::close(fd);
  layer.taken = true;
  if (layer.is("closes_what_is_not_its_own")) ::close(0);
  if (layer.is("reopens_within_close") && *reopen) static_cast<void>(reopen->reopen(reopen->generation()));
  if (layer.is("loses_what_was_not_flushed_when_closed")) kept.clear();
  if (layer.is("closes_below")) raw_next.close(raw_next.self);
  if (layer.is("crashes_in_close")) std::abort();
}

Geometry Liar::describe() {
  Geometry g = offer(Flag::shortcuts);
  if (layer.lie->describe != nullptr) layer.lie->describe(*this, g);
  return g;
}

Status Liar::moved(Io& io, std::uint64_t offset, std::uint64_t length) noexcept {
  if (io.op() == Op::flush) return hand_on(io);
  const std::uint64_t was = io.offset(), had = io.length();
  io.set_range(offset, length);
  const Status s = next(io);
  io.set_range(was, had);
  return s;
}

Status Liar::without(Io& io, Flags flags) noexcept {
  const Flags asked = io.flags();
  io.set_flags(asked.without(flags));
  const Status s = next(io);
  io.set_flags(asked);
  return s;
}

void Liar::read_something() noexcept {
  std::byte bytes[block];
  static_cast<void>(next(Io::read(0, bytes)));
}

}  // namespace lying

using lying::Liar;

ASHLAR_MODULE(Liar, .name = "lying_filter", .version = "1.0", .summary = "lies in one thing",
              .threads = ashlar::Threads::parallel)
