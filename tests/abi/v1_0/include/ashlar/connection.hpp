// Reopen, Disconnect: what a device may ask for its client's connection.
#pragma once
#include <ashlar/device.hpp>

#include <array>
#include <string>

namespace ashlar {

// For filters. To be made in the device's constructor: a chain whose layers may be exchanged is opened as such. It
// lends no bytes to the host.
class Reopen {
 public:
  explicit Reopen(const Open& open) : service_(static_cast<const ashlar_reopen*>(open.extension(ASHLAR_REOPEN_ID))) {}

  // Whether the host can do it.
  explicit operator bool() const { return service_ != nullptr; }
  // How often the layers below have been opened through this device: to be asked for before a request that may fail.
  // Only where operator bool says so. [any]
  std::uint64_t generation() const { return service_->generation(service_->self); }
  // Closes the layers below and opens them anew, when none of this device's requests is under way in them; others wait.
  // Does nothing when that has been done since generation() was `seen`, so that of many requests that fail together one
  // reopens. When it fails, what reaches them fails with EIO until it has succeeded. `why`: receives the cause. What
  // next_extension() returned is gone. Only where operator bool says so. [data; not within next()]
  Status reopen(std::uint64_t seen, std::string* why = nullptr) const {
    std::array<char, 512> text{};
    ashlar_error error{sizeof error, -1, text.data(), text.size()};
    const Status s{service_->reopen(service_->self, seen, &error)};
    if (why != nullptr) *why = text.data();
    return s;
  }

 private:
  const ashlar_reopen* service_;
};

class Disconnect {
 public:
  explicit Disconnect(const Open& open)
      : service_(static_cast<const ashlar_disconnect*>(open.extension(ASHLAR_DISCONNECT_ID))) {}

  // Whether there is a client: not on trial.
  explicit operator bool() const { return service_ != nullptr; }
  // Ends the client's connection without further replies. Only where operator bool says so. [any]
  void disconnect() const { service_->disconnect(service_->self); }

 private:
  const ashlar_disconnect* service_;
};

}  // namespace ashlar
