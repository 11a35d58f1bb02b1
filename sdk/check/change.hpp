// Change: requests that change a device, with the model following.
#pragma once
#include "model.hpp"

namespace ashlar::check {

// The sets of flags that an op may come with and the device offers, none first. `nowait`: those with it, too.
std::vector<Flags> flag_sets(const Geometry& g, Op op, bool nowait);

// Sends write, zero or trim and has the model follow; when it fails as it may, the model learns what became of the
// range. Throws Broken when it fails as it may not. `by`: a device over the same disk as the model's.
Status change(Model& model, const Device& by, Op op, Range range, Flags flags, Random& random);

// Any request: those that change something as change() does, the others as ask() does.
Status ask_and_follow(Model& model, const Device& by, Op op, Range range, Flags flags, Random& random);

// Any change that the device offers, somewhere.
void change_something(Model& model, Random& random, std::uint64_t most);

}  // namespace ashlar::check
