// Symbols: what a shared object exports. (elf(5))
#pragma once
#include <string>
#include <vector>

namespace ashlar::check {

// Names of the defined dynamic symbols, without local ones.
// Throws std::runtime_error: cannot be read, no shared object.
std::vector<std::string> exported_symbols(const std::string& file);

}  // namespace ashlar::check
