#include "config/did_you_mean.hpp"

#include <vector>

#include "unit/matchers.hpp"

using namespace ashlar::host;

TEST_CASE("edit distance counts insertions, deletions, replacements and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("listen", "listen") == 0);
  CHECK(edit_distance("lisen", "listen") == 1);
  CHECK(edit_distance("listten", "listen") == 1);
  CHECK(edit_distance("lixten", "listen") == 1);
  CHECK(edit_distance("lisetn", "listen") == 1);
  CHECK(edit_distance("LISTEN", "listen") == 0);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest word is meant, unless all are too far") {
  const std::vector<std::string> words{"read", "write", "zero-emulation"};
  CHECK(nearest("raed", words) == "read");
  CHECK(nearest("writ", words) == "write");
  CHECK(nearest("zero_emulation", words) == "zero-emulation");
  CHECK(nearest("flush", words) == std::nullopt);
  CHECK(nearest("x", words) == std::nullopt);
  CHECK(nearest("read", {}) == std::nullopt);
  CHECK(nearest(std::string(100'000, 'r'), words) == std::nullopt);
}

TEST_CASE("what to do about an unknown word: the nearest, else all that are known") {
  const std::vector<std::string> words{"file", "memory"};
  CHECK(did_you_mean("fiel", words) == "did you mean \"file\"?");
  CHECK(did_you_mean("tape", words) == "known: file, memory");
  CHECK(did_you_mean("tape", {}).empty());
  CHECK(did_you_mean("tape", std::vector<std::string>{"", "disk"}) == "known: \"\", disk");
  const std::vector<std::string> many(1000, "a-disk");
  CHECK_THAT(did_you_mean("tape", many), Catch::Matchers::EndsWith("a-disk, and 950 more"));
}
