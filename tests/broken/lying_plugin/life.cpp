// What stays behind, and what is told or done when the plugin is opened, described and closed.
#include <unistd.h>

#include "liar.hpp"

namespace lying {
namespace {

Status honest(Liar& p, Io& io) noexcept { return p.honest(io); }

Status leaks_a_descriptor(Liar& p, Io& io) noexcept {
  static_cast<void>(!::dup(0));
  return p.honest(io);
}
Status leaks_memory(Liar& p, Io& io) noexcept {
  const char* volatile lost = new char[24];
  static_cast<void>(lost);
  return p.honest(io);
}

constexpr Lie lies[] = {
    LIE(honest),
    LIE(leaks_a_descriptor),
    LIE(leaks_memory),
    // Of these liar.cpp knows the rest.
    {"leaks_a_descriptor_per_open"},
    {"leaks_memory_per_open"},
    {"leaks_a_thread_per_open"},
    {"leaks_a_mapping_per_open"},
    {"hangs_in_open"},
    {"crashes_in_close"},
    {"crashes_for_a_verb"},
    {"another_size_each_time", nullptr, [](Layer& layer, Geometry& g) { g.size -= layer.opened; }},
    {"larger_than_it_is", nullptr, [](Layer&, Geometry& g) { g.size += block; }},
};

}  // namespace

std::span<const Lie> life_lies() { return lies; }

}  // namespace lying
