// Handshake: the server's side of fixed newstyle negotiation, from the greeting to transmission. Pure: bytes in, bytes out.
// (proto.md, "The newstyle negotiation")
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "protocol/catalog.hpp"

namespace ashlar::protocol {

// What was agreed on. Valid once the handshake is done.
struct Agreement {
  std::size_t export_index = 0;
  bool structured_replies = false;
  bool base_allocation = false;           // BLOCK_STATUS may be asked, for the export above
  std::uint32_t allocation_context = 0;   // its id
  std::uint16_t transmission_flags = 0;   // as sent to the client
};

struct HandshakeLimits {
  std::uint32_t max_payload = 32u << 20;  // bytes, told to the client
};

class Handshake {
 public:
  enum class State {
    talking,       // give it more bytes
    transmission,  // done: agreement() holds; bytes behind what was consumed are requests
    closed,        // send output(), then close: the client has aborted or broken the protocol (see reason())
  };

  Handshake(Catalog& catalog, HandshakeLimits limits);

  // Takes bytes from the client; returns how many were consumed. Whole messages only; the rest is to be offered again, with
  // more behind it. Never consumes past the end of the handshake. Payloads of refused options are consumed piecemeal, so
  // that a claimed length needs no memory. At most max_message() bytes need be offered at once.
  std::size_t feed(std::span<const std::byte> bytes);

  // Bytes to send, in order; the caller clears it when they are sent. Holds the greeting right after construction.
  std::vector<std::byte>& output() { return output_; }

  State state() const { return state_; }
  const Agreement& agreement() const { return agreement_; }
  const std::string& reason() const { return reason_; }
  static std::size_t max_message();

 private:
  Catalog& catalog_;
  HandshakeLimits limits_;
  State state_ = State::talking;
  std::vector<std::byte> output_;
  Agreement agreement_;
  std::string reason_;
};

}  // namespace ashlar::protocol
