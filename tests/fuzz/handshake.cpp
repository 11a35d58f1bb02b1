// Fuzzes the handshake. The first byte says in how large pieces the rest arrives, and the second how TLS is spoken.
#include "protocol/handshake.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

using namespace ashlar;
using namespace ashlar::protocol;

namespace {

class ThreeExports : public Catalog {
 public:
  std::size_t size() const override { return 3; }
  std::string_view name(std::size_t i) const override { return names_[i]; }
  std::string_view description(std::size_t i) const override { return i == 0 ? "a disk" : ""; }
  bool requires_tls(std::size_t i) const override { return i == 1; }
  Opened open(std::size_t i, std::string_view) override {
    if (i == 2) return {nullptr, "device is busy"};
    return {i == 0 ? &disk_ : &small_, ""};
  }
  std::string enter() override { return ""; }
  void unknown(std::string_view) override {}

 private:
  static constexpr std::string_view names_[] = {"disk", "small", "broken"};
  const Geometry disk_{.size = 1 << 20, .flags = Flag::promises, .multi_conn = true};
  const Geometry small_{.size = 1000, .ops = Ops{Op::read}, .minimum = 512, .read_only = true};
};

// Bytes of the longest reply to an option, which takes 16 bytes at least.
constexpr std::size_t most_output = 640;

void require(bool promise) {
  if (!promise) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  ThreeExports catalog;
  const auto tls = static_cast<TlsMode>(data[1] % 3);
  Handshake handshake(catalog, {}, tls);
  bool secured = false;
  const bool sends = (data[1] & 4) != 0;
  std::size_t output = 0;  // sent so far
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(2);
  const std::size_t piece = data[0] + std::size_t{1};
  std::size_t taken = 0;
  for (std::size_t offered = 0; offered < bytes.size();) {
    offered = std::min(offered + piece, bytes.size());
    for (bool answered = true; answered;) {
      const std::size_t n = handshake.feed(bytes.subspan(taken, offered - taken));
      require(n <= offered - taken);
      taken += n;
      if (handshake.state() == Handshake::State::upgrade) {
        require(tls != TlsMode::off && !secured);
        secured = true;
        handshake.secured();
      }
      require(output + handshake.output().size() <= 18 + most_output * (offered / 16 + 1));
      answered = sends && !handshake.output().empty();
      while (sends && !handshake.output().empty()) {
        output += handshake.output().size();
        handshake.sent();
      }
    }
  }
  require((handshake.state() == Handshake::State::closed) == !handshake.reason().empty());
  const Agreement& agreed = handshake.agreement();
  if (handshake.state() == Handshake::State::transmission) {
    require(secured || tls != TlsMode::require);
    require(secured || agreed.export_index != 1);
  }
  require(!agreed.base_allocation || agreed.structured_replies);
  return 0;
}
