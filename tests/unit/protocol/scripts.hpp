// Handshakes as clients speak them, good and bad: the ground for tests that split and mutate them.
#pragma once
#include "talk.hpp"

namespace ashlar::protocol::test {

inline std::vector<std::string> scripts() {
  const std::string flags = client_flags(), nul("a\0b", 3);
  const std::string query = meta_data("disk", {"base:allocation"});
  return {
      client_flags(1) + option(1, "disk") + std::string(28, 'r'),
      client_flags(8) + option(3),
      flags + option(1, "unknown"),
      flags + option(3) + option(3, "x") + option(2),
      flags + option(5) + option(5, "tls") + option(99, "what") + option(2, "bye"),
      flags + option(8) + option(9, meta_data("disk", {})) + option(10, query) +
          option(6, info_data("disk", {0, 1, 2, 3})) + option(7, info_data("disk", {3})) + std::string(28, 'r'),
      flags + option(10, query) + option(8) + option(10, query) + option(10, "bad") + option(7, info_data("")),
      flags + option(7, info_data("unknown")) + option(7, info_data("broken")) + option(6, info_data(nul)) +
          option(7, info_data("small")),
      flags + option(6, "short") + option(8, "x") + option(9, meta_data("small", {"base:", "x-y:z"})) + "nonsense" +
          option(2),
  };
}

}  // namespace ashlar::protocol::test
