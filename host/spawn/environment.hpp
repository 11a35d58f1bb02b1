// Variables of the environment that are for the server alone. Whoever reads one takes it out, so that no program that
// the server starts takes it for its own.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace ashlar::host {

// The variable's value, which is in the environment no longer; none: it is not set. [before there are threads]
std::optional<std::string> take_variable(const char* name);

// The number that `text` is, decimal, without a sign; none: it is no such number, or does not fit.
std::optional<std::uint64_t> whole_number(const std::string& text);

}  // namespace ashlar::host
