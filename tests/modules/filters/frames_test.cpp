// What the filters zstd and xz share, over a format that packs nothing (filters/frames/README.md).
#include <frames/unpacked.hpp>

#include "catch.hpp"
#include "packed.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

// Each frame is its number, in every byte; in the layer below it is one byte.
class Numbers final : public frames::Format {
 public:
  frames::Index index(const frames::Below& below, std::uint64_t longest) const override {
    frames::Index index(longest, "");
    for (std::uint64_t i = 0; i != below.size(); ++i) index.add(i, 1, static_cast<std::uint32_t>(longest));
    return index;
  }
  frames::Outcome unpack(const frames::Frame& frame, std::span<const std::byte>,
                         std::span<std::byte> into) noexcept override {
    if (on_unpack) on_unpack(frame.from);
    std::ranges::fill(into, static_cast<std::byte>(frame.from));
    return {};
  }
  std::function<void(std::uint64_t)> on_unpack;
};

struct Over {
  Over(std::uint64_t count, std::uint64_t length, std::uint64_t cache) {
    geometry.size = count;
    unpacked.emplace(format.index(below, length), cache, format, figures, Host(host.services()));
  }
  Status read(std::uint64_t offset, std::span<std::byte> into, Flags flags = Flag::none) {
    Io io = Io::read(offset, into, flags);
    return unpacked->read(io, below);
  }

  FakeHost host;
  Geometry geometry;
  frames::Below below{nullptr, [](void*, Io&) noexcept { return Status::success(); }, geometry};
  Numbers format;
  frames::Figures figures{Metrics(Host(host.services()))};
  std::optional<frames::Unpacked> unpacked;
};

}  // namespace

TEST_CASE("frames: a buffer is hardly larger than what it is for, and is used again") {
  frames::Buffers buffers;
  for (const std::uint64_t bytes : {1, 200, 4096, 65536, 100'001, 1 << 20, 1'100'000}) {
    const auto* const memory = buffers.take(bytes).get();  // given back at once
    const auto again = buffers.take(bytes);
    CHECK(again.get() == memory);
    CHECK(again.get_deleter().bytes() >= bytes);
    CHECK(again.get_deleter().bytes() <= bytes + bytes / 8 + 64);
  }
}

TEST_CASE("frames: what belongs to a frame beside its bytes counts, too") {
  constexpr std::uint64_t count = 8000, length = 200;
  Over over(count, length, 1 << 20);
  Bytes into(1);
  std::uint64_t kept = 0;
  for (std::uint64_t i = count; i-- != 0;) CHECK(over.read(i * length, into).ok());
  for (std::uint64_t i = 0; i != count; ++i) kept += over.read(i * length, into, Flag::nowait).ok();
  CHECK(kept > 500);
  CHECK(kept < (1 << 20) / 400);
}

TEST_CASE("frames: one that is waited for comes before what is asked for later") {
  constexpr std::uint64_t length = 65536, waited_for = 20, last_ahead = 65, count = 106;
  Over over(count, length, 64 << 20);
  std::atomic<bool> open{false}, begun{false}, in_turn{true};
  over.format.on_unpack = [&](std::uint64_t number) {
    if (number == waited_for) begun = true;
    if (number > 1) holds_in_time([&] { return open.load(); });
    if (number > last_ahead && in_turn && !holds_in_time([&] { return begun.load(); })) in_turn = false;
  };
  Bytes into(1);
  CHECK(over.read(0, into).ok());
  CHECK(over.read(length, into).ok());  // the others, up to last_ahead, are to be unpacked ahead
  std::atomic<bool> right{true};
  std::thread waits([&] {
    Bytes one(1);
    if (over.read(waited_for * length, one).failed() || one[0] != std::byte{waited_for}) right = false;
  });
  CHECK(holds_in_time([&] { return over.host.wait().waiting() == 1; }));
  std::thread copies([&] {
    Bytes all((count - last_ahead - 1) * length);
    if (over.read((last_ahead + 1) * length, all).failed()) right = false;
  });
  CHECK(holds_in_time([&] { return over.host.wait().waiting() == 2; }));
  open = true;
  waits.join();
  copies.join();
  CHECK(in_turn);
  CHECK(right);
}

TEST_CASE("frames: a copy by requests of one frame each has others unpacked ahead") {
  constexpr std::uint64_t length = 1 << 20;
  Over over(20, length, 64 << 20);
  Bytes one(length), two(2 * length);
  for (std::uint64_t i = 0; i != 8; ++i) CHECK(over.read(i * length, one).ok());
  CHECK(over.host.metrics().value("frames_ahead") > 4);
  CHECK(over.host.metrics().value("frames_whole") == 0);
  CHECK(over.read(18 * length, two).ok());
  CHECK(over.host.metrics().value("frames_whole") == 2);
}
