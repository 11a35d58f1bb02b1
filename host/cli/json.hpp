// Text for programs to read: JSON (RFC 8259).
#pragma once
#include <string>
#include <string_view>

namespace ashlar::host {

// `text` as a JSON string, quotes included. Bytes that are not UTF-8, as a path may have them, become U+FFFD each.
std::string json_string(std::string_view text);

}  // namespace ashlar::host
