#include "access/name_pattern.hpp"

#include <cstdint>

namespace ashlar::host {
namespace {

// Where the character behind the one at `at` begins.
std::size_t next_character(std::string_view text, std::size_t at) {
  do ++at;
  while (at < text.size() && (static_cast<std::uint8_t>(text[at]) & 0xc0) == 0x80);
  return at;
}

}  // namespace

// Only the last '*' is ever tried with one character more: what fits behind an earlier one fits there, too.
bool fits_pattern(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0;
  std::size_t behind_star = std::string_view::npos;  // in the pattern
  std::size_t star_end = 0;                          // in the name: what the star stands for ends here
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      behind_star = ++p;
      star_end = n;
    } else if (p < pattern.size() && pattern[p] == '?') {
      ++p;
      n = next_character(name, n);
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (behind_star != std::string_view::npos) {
      star_end = next_character(name, star_end);
      p = behind_star;
      n = star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace ashlar::host
