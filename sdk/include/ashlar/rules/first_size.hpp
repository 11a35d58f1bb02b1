// How long the structs of abi.h that another side makes have always been. Pure.
#pragma once
#include <ashlar/abi.h>

#include <cstddef>

namespace ashlar::rules {

// Bytes of a struct in ABI 1.0. One that was made with that header has no more: a later revision must ask for no more,
// and look at `struct_size` before it reads what has been added behind.
template <class Struct>
inline constexpr std::size_t first_size = 0;
template <>
inline constexpr std::size_t first_size<ashlar_io> = offsetof(ashlar_io, arrived) + sizeof(ashlar_io::arrived);
template <>
inline constexpr std::size_t first_size<ashlar_param> = offsetof(ashlar_param, choices) + sizeof(ashlar_param::choices);
template <>
inline constexpr std::size_t first_size<ashlar_verb> = offsetof(ashlar_verb, call) + sizeof(ashlar_verb::call);
template <>
inline constexpr std::size_t first_size<ashlar_replied> = offsetof(ashlar_replied, replied) +
                                                          sizeof(ashlar_replied::replied);
template <>
inline constexpr std::size_t first_size<ashlar_probe> = offsetof(ashlar_probe, probe) + sizeof(ashlar_probe::probe);
template <>
inline constexpr std::size_t first_size<ashlar_exports> = offsetof(ashlar_exports, list) + sizeof(ashlar_exports::list);
template <>
inline constexpr std::size_t first_size<ashlar_serving> = offsetof(ashlar_serving, begin) +
                                                          sizeof(ashlar_serving::begin);
template <>
inline constexpr std::size_t first_size<ashlar_connects> = offsetof(ashlar_connects, reserved) +
                                                           sizeof(ashlar_connects::reserved);
template <>
inline constexpr std::size_t first_size<ashlar_group> = offsetof(ashlar_group, name) + sizeof(ashlar_group::name);

// Whether `made` has all that its struct had in ABI 1.0.
template <class Struct>
constexpr bool is_whole(const Struct& made) {
  static_assert(first_size<Struct> != 0);
  return made.struct_size >= first_size<Struct>;
}

}  // namespace ashlar::rules
