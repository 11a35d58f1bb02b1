// What a layer says of itself is checked once, when it is opened; everything above relies on it.
#pragma once
#include <ashlar/abi.h>

#include <string>

namespace ashlar::host {

// The first rule of abi.h that `g` breaks, in words; empty: none.
std::string geometry_fault(const ashlar_geometry& g);

}  // namespace ashlar::host
