// Symbols: what a shared object exports. (elf(5))
#pragma once
#include <string>
#include <vector>

namespace ashlar::check {

// Names of the defined dynamic symbols, without local ones.
// Throws std::runtime_error: cannot be read, no shared object.
std::vector<std::string> exported_symbols(const std::string& file);

// Whether it is one, of 64 bits. Throws std::runtime_error: cannot be read.
bool is_shared_object(const std::string& file);

}  // namespace ashlar::check
