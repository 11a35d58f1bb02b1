// What a layer says of itself is checked once, when it is opened; everything above relies on it.
#pragma once
#include <ashlar/rules/geometry.hpp>

namespace ashlar::host {

using rules::geometry_fault;

}  // namespace ashlar::host
