// A look at a file before it is handed to the dynamic linker, which kills the process over a file that is cut short.
#pragma once
#include <filesystem>
#include <string>

namespace ashlar::host {

// Why `file` cannot be a shared object at all; empty: the dynamic linker may try. (elf(5))
std::string fault_in_elf(const std::filesystem::path& file);

}  // namespace ashlar::host
