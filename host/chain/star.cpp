#include "chain/star.hpp"

#include "protocol/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t longest_name = 4096;  // bytes; proto.md, "String" values

}  // namespace

bool can_stand_for_star(std::string_view text) {
  return !text.empty() && text.size() <= longest_name && text[0] != '.' &&
         text.find_first_of("/*") == std::string_view::npos && protocol::is_text(text);
}

std::optional<std::string_view> star_in(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  if (name.size() < before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
    return std::nullopt;
  const std::string_view stands = name.substr(before.size(), name.size() - before.size() - after.size());
  if (!can_stand_for_star(stands)) return std::nullopt;
  return stands;
}

std::string with_star(std::string_view text, std::string_view star) {
  std::string out;
  for (const char c : text) {
    if (c == '*') out += star;
    else out += c;
  }
  return out;
}

}  // namespace ashlar::host
