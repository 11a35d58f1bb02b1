// Rows of a parameter table, and values by name.
#include <ashlar/params.hpp>
#include <ashlar/plugin.hpp>
#include <ashlar/testing/harness.hpp>
#include <memory>

#include "catch.hpp"

using namespace ashlar;

namespace {
class All final : public Plugin {
 public:
  static constexpr const char* speeds[] = {"slow", "fast", nullptr};
  static constexpr Param params[] = {
      Param::string("name", "a text").needed(),
      Param::path("file", "a path"),
      Param::boolean("sync", "yes or no").or_else("true"),
      Param::integer("level", "a number").range(-3, 9),
      Param::size("block", "bytes").range(512, 1 << 20).or_else("4K"),
      Param::choice("speed", speeds, "one of two").or_else("fast"),
  };
  Geometry describe() override { return {}; }
};
constexpr ashlar_module module = testing::module_of<All>({.name = "all"});

// Params over values given as texts.
struct Given {
  explicit Given(const testing::Given& given)
      : values(module, given), params(module.params, {values.data(), module.n_params}) {}
  testing::Values values;
  Params params;
};
}  // namespace

TEST_CASE("values are found by name, as their type") {
  const Given g(
      {{"name", "x"}, {"file", "/a/b"}, {"sync", "false"}, {"level", "-3"}, {"block", "1M"}, {"speed", "slow"}});
  CHECK(g.params.text("name") == "x");
  CHECK(g.params.path("file") == "/a/b");
  CHECK_FALSE(g.params.boolean("sync"));
  CHECK(g.params.integer("level") == -3);
  CHECK(g.params.size("block") == 1 << 20);
  CHECK(g.params.choice("speed") == "slow");
}

TEST_CASE("what is not given is its default, or not there") {
  const Given g(testing::Given{{"name", "x"}});
  CHECK(g.params.boolean("sync"));
  CHECK(g.params.size("block") == 4096);
  CHECK(g.params.choice("speed") == "fast");
  CHECK_FALSE(g.params.has("file"));
  CHECK(g.params.path("file") == "");
  CHECK_FALSE(g.params.has("level"));
  CHECK(g.params.has("name"));
}

TEST_CASE("asking for a parameter that is not in the table, or is of another type, is the author's mistake") {
  const Given g(testing::Given{{"name", "x"}});
  CHECK_THROWS_AS(g.params.text("nam"), std::logic_error);
  CHECK_THROWS_AS(g.params.size("level"), std::logic_error);
  CHECK_THROWS_AS(g.params.has("nam"), std::logic_error);
}

TEST_CASE("values for tests are checked against the table") {
  const auto refused = [](const testing::Given& given) {
    try {
      const Given g(given);
    } catch (const std::invalid_argument& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(refused({{"name", "x"}, {"block", "512"}}) == "");
  CHECK(refused({}) == "parameter \"name\" is required");
  CHECK(refused({{"nam", "x"}}) == "there is no parameter \"nam\"");
  CHECK(refused({{"name", "x"}, {"sync", "maybe"}}) ==
        "parameter \"sync\": \"maybe\" is no boolean; write true or false");
  CHECK(refused({{"name", "x"}, {"level", "10"}}) == "parameter \"level\": 10 is out of range; give -3..9");
  CHECK(refused({{"name", "x"}, {"level", "5K"}}) == "parameter \"level\": \"5K\" is no integer; write a whole number");
  CHECK_THAT(refused({{"name", "x"}, {"block", "1X"}}), Catch::Contains("does not end in a known unit"));
  CHECK_THAT(refused({{"name", "x"}, {"block", "9000000000000P"}}), Catch::Contains("is too large"));
  CHECK(refused({{"name", "x"}, {"speed", "warp"}}) ==
        "parameter \"speed\": \"warp\" is not one of the choices; give slow|fast");
}

namespace {
class Lists final : public Plugin {
 public:
  static constexpr Param params[] = {
      Param::list(Param::size("sizes", "bytes")).needed(),
      Param::secret("key", "what nobody prints"),
  };
  Geometry describe() override { return {}; }
};
constexpr ashlar_module lists = testing::module_of<Lists>({.name = "lists"});
}  // namespace

TEST_CASE("units are written in either case, as in a config") {
  CHECK(Given({{"name", "x"}, {"block", "64k"}}).params.size("block") == 64 << 10);
  CHECK(Given({{"name", "x"}, {"block", "64K"}}).params.size("block") == 64 << 10);
}

TEST_CASE("a list is given with commas, a secret as it is") {
  const testing::Values values(lists, {{"sizes", "1,2k,4M"}, {"key", "a,b"}});
  const Params params(lists.params, {values.data(), lists.n_params});
  const auto sizes = params.list("sizes");
  REQUIRE(sizes.size() == 3);
  CHECK(sizes[1]->number == 2048);
  CHECK(sizes[2]->number == 4 << 20);
  CHECK(sizes[0]->type == ASHLAR_PARAM_SIZE);
  CHECK(params.secret("key") == "a,b");
  CHECK(testing::Values(lists, {{"sizes", ""}}).data()[0]->number == 0);
  CHECK_THROWS_AS(testing::Values(lists, {{"sizes", "1,,2"}}), std::invalid_argument);
}
