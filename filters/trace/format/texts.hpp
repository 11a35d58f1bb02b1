// Texts of an entry: "key=value", each ended by a zero byte.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "record.hpp"

namespace ashlar::trace {

// What is not "key=value" is skipped.
Texts texts_in(std::span<const std::byte> bytes);

// "" when it is missing.
std::string text_in(const Texts& texts, std::string_view key);

// `other` when it is missing, or no number of 64 bits.
std::uint64_t number_in(const Texts& texts, std::string_view key, std::uint64_t other = 0);

}  // namespace ashlar::trace
