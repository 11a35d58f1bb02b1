#include "module/other_names.hpp"

#include "catch.hpp"

#include <vector>

using ashlar::host::other_name;

TEST_CASE("other names: who knows nbdkit's filters hears what to write here") {
  const std::vector<std::string> all{"align", "cache", "fault", "log"};
  for (const char* word : {"delay", "error", "evil", "pause"}) CHECK(other_name(word, all).find("\"fault\"") == 13);
  CHECK(other_name("readahead", all) == "did you mean \"cache\", which reads ahead?");
  CHECK(other_name("blocksize", all) == "did you mean \"align\", block_size = 4096?");
  CHECK(other_name("limit", all) == "did you mean max_connections = 1, a key of [[export]]?");
  CHECK(other_name("multi-conn", all) == "did you mean multi_conn = \"off\", a key of [[export]]?");
  CHECK(other_name("log", all).empty());
}

TEST_CASE("other names: nothing is named that is not there") {
  CHECK(other_name("readahead", std::vector<std::string>{"fault"}).empty());
  CHECK(other_name("delay", {}).empty());
}
