// Filters: what they offer, and what they do to the layer below.
#include <random>

#include "checks.hpp"

namespace ashlar::check {
namespace {

using testing::TestDevice;

// Flags and ops that no revision of the ABI has yet.
constexpr std::uint64_t unheard_of = std::uint64_t{1} << 40;

void check_newer(const Subject& s) {
  Geometry below = Opened::usual_below();
  below.ops = Ops{below.ops.bits() | unheard_of};
  below.flags = Flags{below.flags.bits() | unheard_of};
  const Geometry g = Opened(s, below).device->geometry();
  require((g.ops.bits() & unheard_of) == 0, "it offers an op that it cannot know");
  require((g.flags.bits() & unheard_of) == 0, "it offers a flag that it cannot know");
}

// A filter may refuse to stand on a layer, as long as it says so when it is opened.
std::unique_ptr<Opened> open_over(const Subject& s, const Geometry& below) {
  try {
    return std::make_unique<Opened>(s, below);
  } catch (const testing::Refused& r) {
    throw NotMade{r.what()};
  }
}

// Sends requests of all kinds and looks at what reached the layer below.
void exercise(const Subject& s, const Geometry& below) {
  const std::unique_ptr<Opened> over = open_over(s, below);
  Opened& opened = *over;
  const Geometry g = opened.device->geometry();
  const TestDevice& device = *opened.device;
  std::mt19937 random(9);
  std::vector<std::byte> bytes(8192);
  for (int i = 0; i < 400; ++i) {
    const std::uint64_t blocks = g.size / g.minimum;
    if (blocks == 0) return;
    const std::uint64_t most = std::max<std::uint64_t>(bytes.size() / g.minimum, 1);
    const std::uint64_t offset = random() % blocks * g.minimum;
    const std::uint64_t n = std::min((1 + random() % most) * g.minimum, g.size - offset);
    bytes.resize(std::max<std::size_t>(bytes.size(), n));
    const Op op = static_cast<Op>(random() % 7);
    if (!g.ops.has(op)) continue;
    testing::ExtentList list;
    Io io(op, op == Op::flush ? 0 : offset, op == Op::flush ? 0 : n);
    if (op == Op::read) io = Io::read(offset, std::span(bytes).first(n));
    if (op == Op::write) io = Io::write(offset, std::span<const std::byte>(bytes).first(n), g.flags & Flag::fua);
    if (op == Op::zero) io.set_flags(g.flags & Flag::may_trim);
    if (op == Op::extents) io.set_sink(&list);
    static_cast<void>(device.process(io));
  }
  for (const std::string& breach : opened.disk.breaches()) throw Broken{breach};
}

void check_contract(const Subject& s) {
  exercise(s, Opened::usual_below());
  Geometry plain = Opened::usual_below();
  plain.ops = Op::read | Op::write;
  plain.flags = Flag::none;
  exercise(s, plain);
  Geometry read_only = plain;
  read_only.ops = Ops{Op::read};
  read_only.read_only = true;
  exercise(s, read_only);
}

void check_blocks(const Subject& s) {
  Geometry blocks = Opened::usual_below();
  blocks.minimum = 512;
  blocks.maximum = 32768;
  exercise(s, blocks);
}

void check_errors(const Subject& s) {
  Opened opened(s);
  const Geometry g = opened.device->geometry();
  opened.disk.fail(Op::read, Status{EIO});
  std::vector<std::byte> block(std::max<std::size_t>(g.minimum, 512));
  if (g.size < block.size()) throw NotMade{"the device is too small"};
  const Status status = opened.device->read(0, block);
  require(status.failed(), "a read that failed below succeeded");
}

void check_read_only(const Subject& s) {
  Geometry below = Opened::usual_below();
  below.ops = below.ops.without(Ops::writing());
  below.read_only = true;
  const Geometry g = open_over(s, below)->device->geometry();
  require(!(g.ops & Ops::writing()).any() || !g.read_only, "it offers to change what it calls read-only");
}

}  // namespace

void check_layer_below(Report& report, const Subject& s) {
  if (s.module.kind != ASHLAR_FILTER) return;
  report.promise("offers nothing newer than itself", [&] { check_newer(s); });
  report.promise("sends below only what is offered there", [&] { check_contract(s); });
  report.promise("keeps to the blocks of the layer below", [&] { check_blocks(s); });
  report.promise("an error below is not lost", [&] { check_errors(s); });
  report.promise("is read-only over a read-only layer", [&] { check_read_only(s); });
}

}  // namespace ashlar::check
