// Param: a row of a module's parameter table. Params: the values from the config, checked and typed by the host.
#pragma once
#include <ashlar/abi.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ashlar {

struct Param : ashlar_param {
  static constexpr Param string(const char* name, const char* help) { return {ASHLAR_PARAM_STRING, name, help}; }
  static constexpr Param path(const char* name, const char* help) { return {ASHLAR_PARAM_PATH, name, help}; }
  static constexpr Param boolean(const char* name, const char* help) { return {ASHLAR_PARAM_BOOL, name, help}; }
  static constexpr Param integer(const char* name, const char* help) { return {ASHLAR_PARAM_INT, name, help}; }
  // Bytes: an integer or "64K", "1M", "2G".
  static constexpr Param size(const char* name, const char* help) {
    return Param{ASHLAR_PARAM_SIZE, name, help}.range(0, std::numeric_limits<std::int64_t>::max());
  }
  // Text that nobody prints: a string, or where the host is to take it from, { file = }, { env = } or { credential = }.
  static constexpr Param secret(const char* name, const char* help) { return {ASHLAR_PARAM_SECRET, name, help}; }
  // An array of what `item` describes, whose name and help are the list's; see Params::list().
  static constexpr Param list(const Param& item) {
    Param p = item;
    p.item = item.type;
    p.type = ASHLAR_PARAM_LIST;
    return p;
  }
  // `choices` ends with nullptr and is static.
  static constexpr Param choice(const char* name, const char* const* choices, const char* help) {
    Param p{ASHLAR_PARAM_CHOICE, name, help};
    p.choices = choices;
    return p;
  }
  constexpr Param needed() const {
    Param p = *this;
    p.required = 1;
    return p;
  }
  // The default as one would write it in TOML, without quotes.
  constexpr Param or_else(const char* text) const {
    Param p = *this;
    p.default_text = text;
    return p;
  }
  // INT and SIZE: both ends allowed.
  constexpr Param range(std::int64_t low, std::int64_t high) const {
    Param p = *this;
    p.minimum = low;
    p.maximum = high;
    return p;
  }

 private:
  constexpr Param(std::uint32_t t, const char* n, const char* h)
      : ashlar_param{sizeof(ashlar_param),
                     t,
                     n,
                     h,
                     nullptr,
                     0,
                     0,
                     std::numeric_limits<std::int64_t>::min(),
                     std::numeric_limits<std::int64_t>::max(),
                     nullptr} {}
};

// What is wrong with a parameter's value, found by the module: thrown by the constructors of a layer or a device, or by
// describe(), it reaches the operator with the file, line and column of the value.
class BadParameter : public std::invalid_argument {
 public:
  // `name`: as in the module's table, valid for ever. `code`: an errno number.
  BadParameter(const char* name, const std::string& what, int code = EINVAL)
      : std::invalid_argument(what), name_(name), code_(code) {}
  const char* name() const { return name_; }
  int code() const { return code_; }

 private:
  const char* name_;
  int code_;
};

// Values by name. A name that is not in the module's table, or is asked for as another type, throws std::logic_error: a
// mistake of the module's author, found the first time the layer is created.
class Params {
 public:
  Params() = default;
  Params(const ashlar_param* const* table, std::span<const ashlar_value* const> values)
      : table_(table), values_(values) {}

  bool has(const char* name) const { return find(name).set != 0; }
  std::string_view text(const char* name) const { return text_of(name, ASHLAR_PARAM_STRING); }
  std::string_view path(const char* name) const { return text_of(name, ASHLAR_PARAM_PATH); }
  bool boolean(const char* name) const { return find(name, ASHLAR_PARAM_BOOL).number != 0; }
  std::int64_t integer(const char* name) const { return find(name, ASHLAR_PARAM_INT).number; }
  std::uint64_t size(const char* name) const {
    return static_cast<std::uint64_t>(find(name, ASHLAR_PARAM_SIZE).number);
  }
  std::string_view choice(const char* name) const { return text_of(name, ASHLAR_PARAM_CHOICE); }
  std::string_view secret(const char* name) const { return text_of(name, ASHLAR_PARAM_SECRET); }
  // The items of a list; `text` or `number` of each as its type has it.
  std::span<const ashlar_value* const> list(const char* name) const {
    const ashlar_value& value = find(name, ASHLAR_PARAM_LIST);
    return {value.items, value.items != nullptr ? static_cast<std::size_t>(value.number) : 0};
  }

 private:
  static constexpr std::uint32_t any_type = 0xffffffff;

  // Empty: neither given nor defaulted.
  std::string_view text_of(const char* name, std::uint32_t type) const {
    const char* text = find(name, type).text;
    return text != nullptr ? text : "";
  }

  const ashlar_value& find(const char* name, std::uint32_t type = any_type) const {
    for (size_t i = 0; i < values_.size(); ++i) {
      if (std::strcmp(table_[i]->name, name) != 0) continue;
      if (type != any_type && table_[i]->type != type)
        throw std::logic_error(std::string("parameter \"") + name + "\" is not of the type it is asked for as");
      return *values_[i];
    }
    throw std::logic_error(std::string("parameter \"") + name + "\" is not in the module's table");
  }

  const ashlar_param* const* table_ = nullptr;
  std::span<const ashlar_value* const> values_;
};

}  // namespace ashlar
