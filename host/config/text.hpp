// Text that reaches an operator: always one line, whatever a file, a module or a client has put into it.
#pragma once
#include <ashlar/rules/text.hpp>

namespace ashlar::host {

using rules::in_quotes;
using rules::one_line;

}  // namespace ashlar::host
