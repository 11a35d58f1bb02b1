// A whole handshake: structured replies, GO.
#include "protocol/handshake.hpp"

#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "protocol/codec.hpp"

namespace {

using namespace ashlar::protocol;

class OneExport : public Catalog {
 public:
  std::size_t size() const override { return 1; }
  std::string_view name(std::size_t) const override { return "disk"; }
  std::string_view description(std::size_t) const override { return ""; }
  bool requires_tls(std::size_t) const override { return false; }
  Opened open(std::size_t, std::string_view) override { return {&geometry_, ""}; }
  std::string enter() override { return ""; }
  void unknown(std::string_view) override {}

 private:
  const ashlar::Geometry geometry_{.size = 1u << 30, .flags = ashlar::Flag::promises, .multi_conn = true};
};

void add_option(std::vector<std::byte>& to, std::uint32_t option, const std::vector<std::byte>& data) {
  const std::size_t at = to.size();
  to.resize(at + option_header_size);
  put64(to.data() + at, option_magic);
  put32(to.data() + at + 8, option);
  put32(to.data() + at + 12, static_cast<std::uint32_t>(data.size()));
  to.insert(to.end(), data.begin(), data.end());
}

std::vector<std::byte> from_client() {
  std::vector<std::byte> bytes(client_flags_size);
  put32(bytes.data(), flag_c_fixed_newstyle | flag_c_no_zeroes);
  add_option(bytes, opt_structured_reply, {});
  std::vector<std::byte> go(10);
  put32(go.data(), 4);
  std::memcpy(go.data() + 4, "disk", 4);
  put16(go.data() + 8, 0);
  add_option(bytes, opt_go, go);
  return bytes;
}

void handshake(benchmark::State& state) {
  OneExport catalog;
  const std::vector<std::byte> bytes = from_client();
  for (auto _ : state) {
    Handshake talk(catalog, {});
    std::span<const std::byte> left = bytes;
    while (talk.state() == Handshake::State::talking && !left.empty()) {
      const std::size_t taken = talk.feed(left);
      if (taken == 0) break;
      left = left.subspan(taken);
      talk.sent();
    }
    if (talk.state() != Handshake::State::transmission)
      return state.SkipWithError("the handshake does not end in transmission");
  }
}
BENCHMARK(handshake);

}  // namespace
