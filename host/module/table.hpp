// Sanity of a module's table, so that nothing behind it needs to doubt it. Pure.
#pragma once
#include <ashlar/rules/table.hpp>

namespace ashlar::host {

using rules::fault_in_table;

}  // namespace ashlar::host
