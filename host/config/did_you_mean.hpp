// Did you mean: the known word that a mistyped one is nearest to.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ashlar::host {

// How many letters must be inserted, deleted, replaced or swapped with their neighbour to make `a` of `b`, ignoring
// ASCII case (optimal string alignment distance).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, the first of equals; none when all differ in more than a third of their letters.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// What to do about the unknown `word`: `did you mean "x"?`, else `known: a, b, c`, with the first 50, else nothing is
// known: "".
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace ashlar::host
