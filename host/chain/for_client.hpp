// ForClient: whom a chain is opened for.
#pragma once
#include <ashlar/abi.h>

#include <functional>

#include "chain/cancellation.hpp"

namespace ashlar::host {

// Outlives the chain.
struct ForClient {
  const ashlar_client& client;
  Cancellation& cancellation;        // of the client's requests
  std::function<void()> disconnect;  // ends the connection. [any thread]
};

}  // namespace ashlar::host
