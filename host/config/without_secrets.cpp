#include "config/without_secrets.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t shortest = 4;

// The longest of `secrets` that `text` begins with; empty: none.
std::string_view secret_at(std::string_view text, std::span<const std::string> secrets) {
  std::string_view longest;
  for (const std::string& secret : secrets)
    if (secret.size() >= shortest && secret.size() > longest.size() && text.starts_with(secret)) longest = secret;
  return longest;
}

}  // namespace

std::string without_secrets(std::string_view text, std::span<const std::string> secrets) {
  if (secrets.empty()) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::string_view secret = secret_at(text, secrets);
    if (secret.empty()) out += text[0];
    else out += "(secret)";
    text.remove_prefix(secret.empty() ? 1 : secret.size());
  }
  return out;
}

}  // namespace ashlar::host
