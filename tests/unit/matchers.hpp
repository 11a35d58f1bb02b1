// Catch2's string matchers by their names in version 3.
#pragma once
#include "catch.hpp"

using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
#if CATCH_VERSION_MAJOR >= 3
using Catch::Matchers::ContainsSubstring;
#else
inline auto ContainsSubstring(const std::string& text) { return Catch::Matchers::Contains(text); }
#endif
