#include "raw_client.hpp"
#include "socket/kernel_socket.hpp"
#include "wire.hpp"

namespace ashlar::host {

namespace {

class PlainWire final : public Wire {
 public:
  explicit PlainWire(int client) : client_(client) {}

  std::unique_ptr<Socket> make_socket(int server) override { return std::make_unique<KernelSocket>(server); }
  bool sends_files() const override { return true; }
  bool send(std::span<const std::byte> bytes) override { return send_raw(client_, bytes); }
  std::size_t receive(std::span<std::byte> into) override { return receive_raw(client_, into); }

 private:
  const int client_;
};

}  // namespace

std::unique_ptr<Wire> make_wire(int client) { return std::make_unique<PlainWire>(client); }

}  // namespace ashlar::host
