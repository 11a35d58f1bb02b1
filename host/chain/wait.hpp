// The services ashlar.wait/1 that the host gives to modules. (abi.h, ASHLAR_WAIT_ID)
#pragma once
#include <ashlar/abi.h>

namespace ashlar::host {

// Waits block the calling thread. Whose request a thread carries out is known from its note (activity.hpp). The same
// for all layers.
const ashlar_wait& wait_services();

}  // namespace ashlar::host
