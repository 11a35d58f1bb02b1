#include "texts.hpp"

#include <charconv>

namespace ashlar::trace {

Texts texts_in(std::span<const std::byte> bytes) {
  Texts texts;
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!rest.empty()) {
    const std::size_t end = rest.find('\0');
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    const std::size_t equals = one.find('=');
    if (equals != one.npos) texts.emplace(one.substr(0, equals), one.substr(equals + 1));
  }
  return texts;
}

std::string text_in(const Texts& texts, std::string_view key) {
  const auto found = texts.find(key);
  return found != texts.end() ? found->second : std::string();
}

std::uint64_t number_in(const Texts& texts, std::string_view key, std::uint64_t other) {
  const std::string text = text_in(texts, key);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? number : other;
}

}  // namespace ashlar::trace
