// Layers and devices: their life, and what they say of themselves.
#include <bit>

#include "checks.hpp"

namespace ashlar::check {
namespace {

using testing::TestDevice;

void check_geometry(const Geometry& g) {
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  require(g.size <= INT64_MAX, "size " + number(g.size) + " is more than 2^63-1");
  require(std::has_single_bit(g.minimum) && g.minimum <= 65536,
          "minimum block " + number(g.minimum) + " is not a power of two up to 65536");
  require(std::has_single_bit(g.preferred) && g.preferred >= std::max<std::uint32_t>(g.minimum, 512),
          "preferred block " + number(g.preferred) + " is not a power of two that is at least the minimum, and 512");
  require(g.maximum == 0 || g.maximum >= g.preferred,
          "maximum " + number(g.maximum) + " is less than the preferred block");
  require(g.ops.has(Op::read), "it offers no read");
}

void check_device(const Subject& s) {
  Opened opened(s);
  const ashlar_device& d = *opened.device->device();
  require(d.process != nullptr && d.close != nullptr && d.describe != nullptr, "a function is null");
  check_geometry(opened.device->geometry());
}

void check_many(const Subject& s) {
  Opened opened(s);
  const Geometry first = opened.device->geometry();
  for (int i = 0; i < 50; ++i) {
    const auto again = opened.open(first.read_only);
    require(again->geometry().size == first.size && again->geometry().minimum == first.minimum, "another geometry");
  }
  std::vector<std::unique_ptr<TestDevice>> at_once;
  for (int i = 0; i < 8; ++i) at_once.push_back(opened.open(first.read_only));
}

void check_layers(const Subject& s) {
  for (int i = 0; i < 20; ++i) {
    const testing::FakeHost host;
    const testing::TestLayer one(s.module, host, s.given);
    const testing::TestLayer two(s.module, host, s.given);
  }
}

void check_extension(const Subject& s) {
  constexpr const char* unknown = "ashlar.no-such-thing/1";
  const bool in_table = s.module.struct_size >= offsetof(ashlar_module, extension) + sizeof(s.module.extension);
  Opened opened(s);
  const ashlar_device& d = *opened.device->device();
  if (d.extension == nullptr && (!in_table || s.module.extension == nullptr)) throw NotMade{"it has none"};
  if (d.extension != nullptr) require(d.extension(d.self, unknown) == nullptr, "a device claims to have one");
  if (in_table && s.module.extension != nullptr)
    require(s.module.extension(unknown) == nullptr, "the module claims to have one");
}

}  // namespace

void check_life(Report& report, const Subject& s) {
  report.promise("layers can be created and destroyed, several at once", [&] { check_layers(s); });
  report.promise("a device describes itself within bounds", [&] { check_device(s); });
  report.promise("a layer can be opened often and alike", [&] { check_many(s); });
  report.promise("has no extension that it does not know", [&] { check_extension(s); });
}

}  // namespace ashlar::check
