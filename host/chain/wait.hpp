// The services ashlar.wait/1 that the host gives to modules. (abi.h, ASHLAR_WAIT_ID)
#pragma once
#include <ashlar/abi.h>

namespace ashlar::host {

// A wait puts the calling fiber aside, or blocks the thread that is on none. Whose request it is is known from the note
// (activity.hpp). The same for all layers.
const ashlar_wait& wait_services();

}  // namespace ashlar::host
