// ForClient: whom a chain is opened for.
#pragma once
#include <ashlar/abi.h>

#include <functional>

#include "chain/cancellation.hpp"

namespace ashlar::host {

// Outlives the chain.
struct ForClient {
  const ashlar_client& client;
  Cancellation& of_reads;            // of the client's requests that change nothing
  Cancellation& of_writes;           // of all else: what a client has asked for that goes away is done all the same
  std::function<void()> disconnect;  // ends the connection. [any thread]
};

}  // namespace ashlar::host
