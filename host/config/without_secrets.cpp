#include "config/without_secrets.hpp"

#include <algorithm>

namespace ashlar::host {
namespace {

constexpr std::size_t shortest = 4;

// How much of the beginning of `text` is the longest of `secrets`, or all there is of one that was cut; 0: nothing.
std::size_t secret_at(std::string_view text, std::span<const std::string> secrets) {
  std::size_t longest = 0;
  for (const std::string& secret : secrets) {
    const std::size_t length = std::min(secret.size(), text.size());
    if (length >= shortest && length > longest && text.starts_with(std::string_view(secret).substr(0, length)))
      longest = length;
  }
  return longest;
}

}  // namespace

std::string without_secrets(std::string_view text, std::span<const std::string> secrets) {
  if (secrets.empty()) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t secret = secret_at(text, secrets);
    if (secret == 0) out += text[0];
    else out += "(secret)";
    text.remove_prefix(std::max<std::size_t>(secret, 1));
  }
  return out;
}

}  // namespace ashlar::host
