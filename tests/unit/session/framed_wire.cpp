// What goes over the wire is framed, see FramedSocket.
#include <algorithm>
#include <vector>

#include "framed_socket.hpp"
#include "raw_client.hpp"
#include "wire.hpp"

namespace ashlar::host {

namespace {

class FramedWire final : public Wire {
 public:
  explicit FramedWire(int client) : client_(client) {}

  std::unique_ptr<Socket> make_socket(int server) override { return std::make_unique<FramedSocket>(server); }
  bool sends_files() const override { return false; }
  bool send(std::span<const std::byte> bytes) override {
    std::vector<std::byte> framed;
    while (!bytes.empty()) bytes = bytes.subspan(put_frame(framed, bytes));
    return send_raw(client_, framed);
  }
  std::size_t receive(std::span<std::byte> into) override {
    while (plain_.empty() && !into.empty()) {
      std::vector<std::byte> some(std::min<std::size_t>(into.size(), 64 * 1024));
      const std::size_t n = receive_raw(client_, some);
      if (n == 0) return 0;
      wire_.insert(wire_.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n));
      take_frames(wire_, plain_);
    }
    const std::size_t n = std::min(into.size(), plain_.size());
    const auto end = plain_.begin() + static_cast<std::ptrdiff_t>(n);
    std::copy(plain_.begin(), end, into.begin());
    plain_.erase(plain_.begin(), end);
    return n;
  }

 private:
  const int client_;
  std::vector<std::byte> wire_, plain_;  // received: not yet a whole frame; not yet asked for
};

}  // namespace

std::unique_ptr<Wire> make_wire(int client) { return std::make_unique<FramedWire>(client); }

}  // namespace ashlar::host
