// What a layer may call its metrics and verbs, and what each of these needs beside its name. Pure.
#pragma once
#include <ashlar/abi.h>
#include <ashlar/rules/first_size.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace ashlar::rules {

// Whether `text` is [a-z][a-z0-9]*, with `between` among what stands behind the first letter.
inline bool is_name(const char* text, char between) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  if (text == nullptr || !is_letter(*text)) return false;
  for (const char* c = text; *c != '\0'; ++c)
    if (!is_letter(*c) && !(*c >= '0' && *c <= '9') && *c != between) return false;
  return true;
}

// The first rule of ashlar_metrics that a call of make breaks, in words; nullptr: none.
inline const char* metric_fault(std::uint32_t kind, const char* name, const double* bounds, std::size_t n_bounds) {
  if (!is_name(name, '_')) return "its name is not one";
  if (kind > ASHLAR_HISTOGRAM) return "its kind is unknown";
  const bool has_bounds = bounds != nullptr && n_bounds != 0;
  if (kind != ASHLAR_HISTOGRAM) return n_bounds != 0 ? "it has bounds, but is no histogram" : nullptr;
  if (!has_bounds) return "it is a histogram without bounds";
  // Written so that a NaN does not rise.
  if (std::isnan(bounds[0])) return "its bounds do not rise";
  for (std::size_t i = 1; i < n_bounds; ++i)
    if (!(bounds[i - 1] < bounds[i])) return "its bounds do not rise";
  return nullptr;
}

// The first rule of ashlar_verb that `verb` breaks, in words; nullptr: none.
inline const char* verb_fault(const ashlar_verb* verb) {
  if (verb == nullptr) return "it is null";
  if (!is_whole(*verb)) return "its struct is shorter than this ABI's";
  if (!is_name(verb->name, '-')) return "its name is not one";
  if (verb->help == nullptr) return "it has no help";
  if (verb->call == nullptr) return "it has no call function";
  return verb->below > ASHLAR_BELOW_WRITE ? "what it needs below is unknown" : nullptr;
}

}  // namespace ashlar::rules
