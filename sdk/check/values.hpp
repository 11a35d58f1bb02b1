// LentValues: the parameters that a layer is created with, which it is only to read.
#pragma once
#include <ashlar/testing/values.hpp>
#include <cstring>

#include "promise.hpp"

namespace ashlar::check {

class LentValues {
 public:
  // Throws std::invalid_argument when `given` does not fit the module's table.
  LentValues(const ashlar_module& module, const testing::Given& given)
      : n_(module.n_params), lent_(module, given), as_lent_(module, given) {}

  const ashlar_value* const* data() const { return lent_.data(); }
  // Throws Broken if one has been changed.
  void look() const {
    for (std::uint32_t i = 0; i < n_; ++i)
      require(equal(*lent_.data()[i], *as_lent_.data()[i]),
              "the module, which its parameters were lent to, changed one");
  }

 private:
  static bool equal(const ashlar_value& a, const ashlar_value& b) {
    if (a.struct_size != b.struct_size || a.type != b.type || a.set != b.set || a.number != b.number) return false;
    if ((a.text == nullptr) != (b.text == nullptr) || (a.items == nullptr) != (b.items == nullptr)) return false;
    if (a.text != nullptr && std::strcmp(a.text, b.text) != 0) return false;
    for (std::int64_t i = 0; a.items != nullptr && i < a.number; ++i)
      if (!equal(*a.items[i], *b.items[i])) return false;
    return true;
  }

  const std::uint32_t n_;
  const testing::Values lent_, as_lent_;
};

}  // namespace ashlar::check
