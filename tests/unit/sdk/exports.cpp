// What a class has that makes an extension of its module.
#include <ashlar/plugin.hpp>
#include <ashlar/rules/extension.hpp>
#include <ashlar/testing/harness.hpp>
#include <cstring>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

class Plain : public Plugin {
 public:
  Geometry describe() override { return {.size = 512}; }
  Status read(Io&) noexcept override { return Status::success(); }
};

class Pool final : public Plain {
 public:
  static constexpr Param params[] = {Param::string("volume", "which").needed()};
  struct Layer {
    explicit Layer(const Create& create) : volume(create.params.text("volume")) {}
    std::string volume;
  };
  static void list_exports(Layer& layer, const ExportsSink& sink) {
    if (layer.volume != "*") throw BadParameter("volume", "is no template");
    sink.add("a", "the first");
    sink.add("b");
  }
  Pool(Layer&, const Open&) {}
};

class Probed final : public Plain {
 public:
  static void probe(const ProbeRequest&) {}
};

class Caller final : public Plain {
 public:
  static constexpr bool connects = true;
  static constexpr char group[] = "far places";
};

// Its members have the names of extensions and mean something else.
class Namesake final : public Plain {
 public:
  static bool connects() { return true; }
  static int group() { return 7; }
};

constexpr ashlar_module caller = module_of<Caller>({.name = "caller"}),
                        namesake = module_of<Namesake>({.name = "namesake"});
constexpr ashlar_module pool = module_of<Pool>({.name = "pool"}), probed = module_of<Probed>({.name = "probed"}),
                        plain = module_of<Plain>({.name = "plain"});

// What the pool lists for a volume of this name, or its error.
std::string listed(const char* volume) {
  FakeHost host;
  const Values values(pool, {{"volume", volume}});
  const ashlar_create how{sizeof how, 1, "test", host.services(), values.data()};
  ashlar_layer layer{sizeof layer, 0, nullptr, 0};
  std::string names;
  const ashlar_exports_sink sink{&names,
                                 [](void* self, const char* name, const char* description) noexcept -> std::int32_t {
                                   *static_cast<std::string*>(self) +=
                                       std::string(name) + "(" + (description != nullptr ? description : "none") + ") ";
                                   return 0;
                                 }};
  char text[100] = "";
  ashlar_error error{sizeof error, -1, text, sizeof text};
  REQUIRE(pool.create(&how, &layer, &error) == 0);
  const auto* exports = static_cast<const ashlar_exports*>(pool.extension(ASHLAR_EXPORTS_ID));
  const std::int32_t status = exports->list(layer.self, &sink, &error);
  pool.destroy(layer.self);
  return status == 0 ? names : text + (" in parameter " + std::to_string(error.parameter));
}

}  // namespace

TEST_CASE("a class lists what it could serve") {
  CHECK(listed("*") == "a(the first) b(none) ");
  CHECK(listed("c") == "is no template in parameter 0");
}

TEST_CASE("a module has the extensions that its class has functions for, and no others") {
  CHECK(pool.extension(ASHLAR_PROBE_ID) == nullptr);
  CHECK(probed.extension(ASHLAR_PROBE_ID) != nullptr);
  CHECK(probed.extension(ASHLAR_EXPORTS_ID) == nullptr);
  CHECK(plain.extension == nullptr);
  CHECK(namesake.extension == nullptr);
  CHECK(rules::connects(caller));
  CHECK_FALSE(rules::connects(probed));
  CHECK(std::string(rules::group_of(caller)) == "far places");
  CHECK(rules::group_of(probed) == nullptr);
}
