// Change: requests that change a device, with the model following.
#pragma once
#include "model.hpp"

namespace ashlar::check {

// The sets of flags that an op may come with and the device offers, none first. `nowait`: those with it, too.
std::vector<Flags> flag_sets(const Geometry& g, Op op, bool nowait);

// What writes bring: bytes that are never 0, or now and then zeroes, all of it or whole blocks, too. A module may look
// for those, and store them as it does what is zeroed.
enum class Payload { data, zeroes_too };

// Sends write, zero or trim and has the model follow; when it fails as it may, the model learns what became of the
// range. Throws Broken when it fails as it may not. `by`: a device over the same disk as the model's.
Status change(Model& model, const Device& by, Op op, Range range, Flags flags, Random& random,
              Payload payload = Payload::data);

// Any request: those that change something as change() does, the others as ask() does.
Status ask_and_follow(Model& model, const Device& by, Op op, Range range, Flags flags, Random& random,
                      Payload payload = Payload::data);

// Any change that the device offers, somewhere.
void change_something(Model& model, Random& random, std::uint64_t most, Payload payload = Payload::data);

}  // namespace ashlar::check
