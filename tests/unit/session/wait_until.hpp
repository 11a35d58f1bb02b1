// Waiting for what other threads bring about.
#pragma once
#include <chrono>
#include <stdexcept>
#include <thread>

namespace ashlar::host {

// Waits until `holds()`; throws when it does not come to be.
template <class Holds>
void wait_until(Holds holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("it does not come to be");
    std::this_thread::yield();
  }
}

}  // namespace ashlar::host
