// Values of parameters, as a module's table wants them. Pure.
#pragma once
#include <ashlar/abi.h>
#include <ashlar/rules/size.hpp>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ashlar::rules {

// The type of what the value holds: of a list, that of its items.
inline std::uint32_t item_type(const ashlar_param& row) { return row.type == ASHLAR_PARAM_LIST ? row.item : row.type; }

// Whether values of this type come with `text`.
constexpr bool has_text(std::uint32_t type) {
  return type == ASHLAR_PARAM_STRING || type == ASHLAR_PARAM_PATH || type == ASHLAR_PARAM_CHOICE ||
         type == ASHLAR_PARAM_SECRET;
}

inline bool has_range(const ashlar_param& row) {
  return item_type(row) == ASHLAR_PARAM_INT || item_type(row) == ASHLAR_PARAM_SIZE;
}

// What a value of `row` may be: "1..64", "0..", "512..64K", "a|b|c"; empty: anything of its type.
inline std::string range_text(const ashlar_param& row) {
  if (item_type(row) == ASHLAR_PARAM_CHOICE) {
    std::string all;
    for (const char* const* c = row.choices; *c != nullptr; ++c) {
      if (!all.empty()) all += '|';
      all += *c;
    }
    return all;
  }
  if (!has_range(row)) return {};
  const bool low = row.minimum != std::numeric_limits<std::int64_t>::min();
  const bool high = row.maximum != std::numeric_limits<std::int64_t>::max();
  if (!low && !high) return {};
  const auto text = [&](std::int64_t n) {
    return item_type(row) == ASHLAR_PARAM_SIZE && n >= 0 ? size_text(n) : std::to_string(n);
  };
  return (low ? text(row.minimum) : "") + ".." + (high ? text(row.maximum) : "");
}

// `number` if `row` allows it. Throws std::invalid_argument, whose text says what to do.
inline std::int64_t in_range(const ashlar_param& row, std::int64_t number) {
  if (number < row.minimum || number > row.maximum)
    throw std::invalid_argument(std::to_string(number) + " is out of range; give " + range_text(row));
  return number;
}

// The index of `text` among the row's choices.
inline std::optional<std::int64_t> choice_index(const ashlar_param& row, std::string_view text) {
  for (std::int64_t i = 0; row.choices[i] != nullptr; ++i)
    if (text == row.choices[i]) return i;
  return std::nullopt;
}

// `number` as in ashlar_value, of one item of `row`, from a text without quotes: a default, or a word of a command
// line. Throws std::invalid_argument, whose text says what is wrong and what to do.
inline std::int64_t number_from_text(const ashlar_param& row, std::string_view text) {
  const auto refuse = [&](const std::string& why) -> std::int64_t {
    throw std::invalid_argument(in_quotes(text) + " " + why);
  };
  switch (item_type(row)) {
    case ASHLAR_PARAM_PATH:
      if (text.empty()) throw std::invalid_argument("is an empty path; name a file");
      return 0;
    case ASHLAR_PARAM_STRING:
    case ASHLAR_PARAM_SECRET: return 0;
    case ASHLAR_PARAM_BOOL:
      if (text == "true" || text == "false") return text == "true" ? 1 : 0;
      return refuse("is no boolean; write true or false");
    case ASHLAR_PARAM_INT: {
      std::int64_t number = 0;
      const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc{} || rest != text.data() + text.size())
        return refuse("is no integer; write a whole number");
      return in_range(row, number);
    }
    case ASHLAR_PARAM_SIZE: return in_range(row, parse_size(text));
    case ASHLAR_PARAM_CHOICE:
      if (const auto index = choice_index(row, text)) return *index;
      return refuse("is not one of the choices; give " + range_text(row));
    default: return refuse("is of a type that this ashlar does not know; use a newer ashlar");
  }
}

}  // namespace ashlar::rules
