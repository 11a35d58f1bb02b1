// The services ashlar.blocking/1 that the host gives to modules. (abi.h, ASHLAR_BLOCKING_ID)
#pragma once
#include <ashlar/abi.h>

namespace ashlar::host {

// What a call on a fiber blocks with is done while the fiber is put aside; on none it is just done. The same for all
// layers.
const ashlar_blocking& blocking_services();

}  // namespace ashlar::host
