// Text of a module, as it is printed: nothing that is secret, and nothing that a terminal would carry out.
#pragma once
#include <ashlar/abi.h>

#include <ashlar/testing/values.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::check {

// The values that `given` has for parameters of type SECRET, and for lists of these, in `module`. One is not empty.
std::vector<std::string> secrets_of(const ashlar_module& module, const testing::Given& given);

// `text` with `***` in the place of each secret. A short one counts only where it is a word of its own.
std::string without_secrets(std::string text, const std::vector<std::string>& secrets);

// Control characters, but for newlines, and bytes that are not UTF-8 are written as `\\xNN`.
std::string printable(std::string_view text);

// As a word of a POSIX shell.
std::string shell_word(std::string_view text);

}  // namespace ashlar::check
