#include "module/version.hpp"

#include "catch.hpp"

using namespace ashlar::host;

TEST_CASE("a module is accepted when the major is equal and its minor is not beyond the host's") {
  struct Row {
    AbiVersion host;
    std::uint32_t major, needs_minor, size;
    const char* refusal;  // empty: accepted
  };
  constexpr std::uint32_t full = smallest_module;
  const Row rows[] = {
      {{1, 0}, 1, 0, full, ""},
      {{1, 5}, 1, 0, full, ""},
      {{1, 5}, 1, 5, full, ""},
      {{1, 0}, 1, 0, full + 64, ""},  // grown at its tail
      {{2, 0}, 2, 0, full, ""},
      {{1, 5}, 1, 6, full, "needs ABI 1.6; this ashlar has 1.5: use a newer ashlar"},
      {{1, 0}, 1, 0xffffffff, full, "needs ABI 1.4294967295; this ashlar has 1.0: use a newer ashlar"},
      {{2, 0}, 1, 0, full, "is built for ABI major 1; this ashlar has 2.0: build the module against its SDK"},
      {{1, 9}, 2, 0, full, "is built for ABI major 2; this ashlar has 1.9: build the module against its SDK"},
      {{1, 0}, 0, 0, full, "is built for ABI major 0; this ashlar has 1.0: build the module against its SDK"},
      // Another major's table may be of any size; only the number counts.
      {{1, 0}, 3, 0, 8, "is built for ABI major 3; this ashlar has 1.0: build the module against its SDK"},
  };
  for (const Row& row : rows) {
    INFO(row.host.major << "." << row.host.minor << " and " << row.major << "." << row.needs_minor);
    ashlar_module module{};
    module.abi_major = row.major;
    module.needs_minor = row.needs_minor;
    module.struct_size = row.size;
    CHECK(refuse_version(row.host, &module) == row.refusal);
  }
}

TEST_CASE("a table that is too small is refused with both sizes") {
  ashlar_module module{};
  module.abi_major = 1;
  for (const std::uint32_t size : {0u, 8u, static_cast<std::uint32_t>(smallest_module) - 1}) {
    module.struct_size = size;
    CHECK(refuse_version({1, 0}, &module) == "has a module table of " + std::to_string(size) +
                                                 " bytes; ABI 1.0 has at least " + std::to_string(smallest_module) +
                                                 ": build the module against the SDK of this ashlar");
  }
}

TEST_CASE("an entry that returns nothing is refused") {
  CHECK(refuse_version({1, 3}, nullptr) ==
        "is built for an ABI of another major; this ashlar has 1.3: build the module against its SDK");
}
