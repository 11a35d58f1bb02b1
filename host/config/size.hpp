// Sizes in bytes, as people write them.
#pragma once
#include <ashlar/rules/size.hpp>

namespace ashlar::host {

using rules::parse_size;
using rules::size_text;

}  // namespace ashlar::host
