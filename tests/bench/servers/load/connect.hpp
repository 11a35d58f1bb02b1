// shake_hands: from a stream to a connection in transmission.
#pragma once
#include <cstdint>

#include "job.hpp"
#include "stream.hpp"

namespace ashlar::bench {

// The client's side of the handshake; the size of the export in bytes. A server that knows no structured replies goes
// on with simple ones. Throws std::runtime_error.
std::uint64_t shake_hands(Stream& stream, const Options& options);

}  // namespace ashlar::bench
