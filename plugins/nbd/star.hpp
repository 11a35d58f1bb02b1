// Star: what the '*' of a template stands for in the name of an export. Pure.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

// What in the place of each '*' makes `pattern` to `name`; empty: nothing does, or there is no '*'.
inline std::string star_in(std::string_view pattern, std::string_view name) {
  const auto stars = static_cast<std::size_t>(std::ranges::count(pattern, '*'));
  const std::size_t around = pattern.size() - stars;
  if (stars == 0 || name.size() <= around || (name.size() - around) % stars != 0) return {};
  const std::string_view star = name.substr(pattern.find('*'), (name.size() - around) / stars);
  std::string made;
  for (const char c : pattern) {
    if (c == '*') made += star;
    else made += c;
  }
  return made == name ? std::string(star) : std::string();
}
