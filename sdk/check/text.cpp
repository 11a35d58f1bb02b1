#include "text.hpp"

#include <algorithm>
#include <ashlar/rules/text.hpp>

namespace ashlar::check {
namespace {

bool is_of_a_word(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// Whether `text[at, at + n)` has no letter or digit beside it.
bool is_a_word(std::string_view text, std::size_t at, std::size_t n) {
  return (at == 0 || !is_of_a_word(text[at - 1])) && (at + n == text.size() || !is_of_a_word(text[at + n]));
}

// The bytes of the character that `text` begins with; 0: it is not UTF-8.
std::size_t length_of_character(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t n = first >= 0xc2 && first < 0xe0   ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (n == 0 || text.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const bool odd = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                   (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return odd ? 0 : n;
}

std::string hexadecimal(char c) {
  constexpr char digits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
}

}  // namespace

std::vector<std::string> secrets_of(const ashlar_module& module, const testing::Given& given) {
  std::vector<std::string> all;
  for (const auto& [name, text] : given)
    for (std::uint32_t i = 0; i < module.n_params; ++i) {
      const ashlar_param& row = *module.params[i];
      if (name != row.name || rules::item_type(row) != ASHLAR_PARAM_SECRET) continue;
      all.push_back(text);
      for (std::size_t begin = 0, end = 0; row.type == ASHLAR_PARAM_LIST && end != text.npos; begin = end + 1) {
        end = text.find(',', begin);
        all.push_back(text.substr(begin, end == text.npos ? end : end - begin));
      }
    }
  std::erase(all, "");
  std::ranges::sort(all, std::ranges::greater{}, &std::string::size);  // the whole before its parts
  return all;
}

std::string without_secrets(std::string text, const std::vector<std::string>& secrets) {
  constexpr std::string_view hidden = "***";
  constexpr std::size_t is_short = 4;
  for (const std::string& secret : secrets)
    for (std::size_t at = 0; (at = text.find(secret, at)) != text.npos;) {
      const bool hides = secret.size() >= is_short || is_a_word(text, at, secret.size());
      if (hides) text.replace(at, secret.size(), hidden);
      at += hides ? hidden.size() : 1;
    }
  return text;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t n = length_of_character(text);
    if (n == 0) out += hexadecimal(text[0]);
    else if (text[0] == '\n') out += '\n';
    else out += rules::one_line(text.substr(0, n));
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

std::string shell_word(std::string_view text) {
  const auto is_plain = [](char c) {
    return is_of_a_word(c) || std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace ashlar::check
