// Verbs that ask more of the layers below than they have said.
#include "liar.hpp"

namespace lying {
namespace {

constexpr const char* help = "answers";

void writes_where_it_may_read(Layer& layer) {
  layer.verbs.offer("look", help, Below::read, [](VerbCall& call) {
    const std::vector<std::byte> bytes(block);
    static_cast<void>(call.next(Io::write(0, bytes)));
  });
}
void asks_by_the_way_of_a_client(Layer& layer) {
  layer.verbs.offer("look", help, [&layer](VerbCall&) {
    if (layer.last_next == nullptr) return;
    std::vector<std::byte> bytes(block);
    Io io = Io::read(0, bytes);
    layer.last_next->process(layer.last_next->self, &io);
  });
}
void holds_a_lock_in_a_verb(Layer& layer) {
  layer.verbs.offer("look", help, Below::read, [&layer](VerbCall& call) {
    std::vector<std::byte> bytes(block);
    const std::lock_guard guard(layer.mutex);
    static_cast<void>(call.next(Io::read(0, bytes)));
  });
}
void crashes_when_the_verb_fails_below(Layer& layer) {
  layer.verbs.offer("look", help, Below::read, [](VerbCall& call) {
    std::vector<std::byte> bytes(block);
    if (call.next(Io::read(0, bytes)).failed()) std::abort();
  });
}
void is_not_safe_for_threads(Layer& layer) {
  layer.verbs.offer("look", help, [&layer](VerbCall&) {
    if (layer.taken.exchange(true)) std::abort();
    for (int i = 0; i < 10000; ++i) static_cast<void>(layer.requests.fetch_add(1));
    layer.taken = false;
  });
}

constexpr Lie lies[] = {
    {"verb_writes_where_it_may_read", nullptr, nullptr, &writes_where_it_may_read},
    {"verb_asks_by_the_way_of_a_client", nullptr, nullptr, &asks_by_the_way_of_a_client},
    {"verb_holds_a_lock", nullptr, nullptr, &holds_a_lock_in_a_verb},
    {"verb_crashes_when_it_fails_below", nullptr, nullptr, &crashes_when_the_verb_fails_below},
    {"verb_is_not_safe_for_threads", nullptr, nullptr, &is_not_safe_for_threads},
};

}  // namespace

std::span<const Lie> verb_lies() { return lies; }

}  // namespace lying
