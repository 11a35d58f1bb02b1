// Text that reaches an operator: always one line, whatever a file, a module or a client has put into it.
#pragma once
#include <string>
#include <string_view>

namespace ashlar::host {

// `text` with control characters written as \n, \t, \r or \xNN. UTF-8 is left as it is.
std::string one_line(std::string_view text);

// The same, in double quotes, with quotes and backslashes escaped.
std::string in_quotes(std::string_view text);

}  // namespace ashlar::host
