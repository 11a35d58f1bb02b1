// Plain tables for the terminal: columns as wide as their widest cell.
#pragma once
#include <ostream>
#include <string>
#include <vector>

namespace ashlar::host {

// Writes `rows`, which have equally many cells each, with `indent` before each line. Cells become one line each.
void print_table(std::ostream& out, const std::string& indent, std::vector<std::vector<std::string>> rows);

}  // namespace ashlar::host
