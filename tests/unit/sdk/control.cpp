// Verbs from C++: what a layer offers, how a call of one looks to it, and what becomes of what it throws.
#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/model_disk.hpp>
#include <cstring>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

class Cache final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create) : verbs(create) {
      verbs.offer("echo", "says it again", [](VerbCall& call) {
        CHECK_FALSE(call.has_below());
        CHECK(call.next(Io(Op::flush, 0, 0)) == Status::not_supported());
        for (const std::string_view argument : call.arguments()) {
          call.answer(argument);
          call.answer("\n");
        }
      });
      verbs.offer("fail", "does not work",
                  [](VerbCall&) { throw std::system_error(EBUSY, std::generic_category(), "in use"); });
      verbs.offer("first", "the first byte below", Below::read, [](VerbCall& call) {
        if (!call.has_below()) throw std::runtime_error("nothing is below");
        std::byte byte{};
        if (const Status s = call.next(Io::read(0, std::span(&byte, 1))); s.failed())
          throw std::system_error(s.code(), std::generic_category(), "read");
        call.answer(std::to_string(std::to_integer<int>(byte)) + " of " + std::to_string(call.below().size));
      });
      verbs.offer("fill", "writes below", Below::write, [](VerbCall& call) {
        const std::byte byte{9};
        if (call.next(Io::write(0, std::span(&byte, 1), Flag::fua)).failed()) throw std::runtime_error("not written");
      });
    }
    Verbs verbs;
  };
  Cache(Layer&, const Open& open) : Filter(open) {}
};
constexpr ashlar_module cache = module_of<Cache>({.name = "cache"});

// A host without services, as an older one may be.
const ashlar_host* bare() {
  static const ashlar_host host{sizeof(ashlar_host),
                                0,
                                nullptr,
                                [](void*, std::uint32_t) noexcept { return 0; },
                                [](void*, std::uint32_t, const char*, std::size_t) noexcept {},
                                [](void*, const char*) noexcept -> const void* { return nullptr; }};
  return &host;
}

}  // namespace

TEST_CASE("a verb has its arguments, and answers") {
  FakeHost host;
  const TestLayer layer(cache, host);
  CHECK(host.control().call("echo", {"a", "", "b c"}) == "a\n\nb c\n");
  CHECK(host.control().call("echo").empty());
}

TEST_CASE("what a verb throws is its error") {
  FakeHost host;
  const TestLayer layer(cache, host);
  try {
    host.control().call("fail");
    FAIL("answered");
  } catch (const Refused& e) {
    CHECK(e.code() == EBUSY);
    CHECK(e.what() == std::string("in use: Device or resource busy"));
  }
  CHECK_THROWS_WITH(host.control().call("first"), "nothing is below");
}

TEST_CASE("a verb reads and writes the layers below, as far as they offer it") {
  FakeHost host;
  ModelDisk disk(4096);
  disk.fill();
  const TestLayer layer(cache, host);
  CHECK(host.control().call_over(disk, "first") == "1 of 4096");
  host.control().call_over(disk, "fill");
  CHECK(disk.bytes()[0] == std::byte{9});
  disk.geometry().flags = Flag::none;
  CHECK_THROWS_WITH(host.control().call_over(disk, "fill"), "not written");
  disk.geometry().flags = Flag::promises;
  disk.geometry().ops = Ops{Op::read};
  CHECK_THROWS_WITH(host.control().call_over(disk, "fill"), "not written");
  CHECK(disk.count(Op::write) == 1);
  CHECK(disk.breaches().empty());
}

TEST_CASE("the fake host refuses what is no verb, and one that the layer has") {
  FakeHost host;
  {
    Verbs verbs(Create{Host(host.services()), {}});
    const auto nothing = [](VerbCall&) {};
    CHECK_THROWS_WITH(verbs.offer("Echo", "help", nothing), "the verb \"Echo\" is not one");
    CHECK_THROWS_WITH(verbs.offer("e_cho", "help", nothing), "the verb \"e_cho\" is not one");
    CHECK_THROWS_WITH(verbs.offer("echo", nullptr, nothing), "the verb \"echo\" is not one");
    verbs.offer("echo", "help", [](VerbCall& call) { call.answer("first"); });
    CHECK_THROWS_WITH(verbs.offer("echo", "help", nothing), "the verb \"echo\" is offered twice");
    CHECK(host.control().call("echo") == "first");
  }
  const TestLayer one(cache, host), two(cache, host);
  CHECK(host.control().call("echo", {"a"}) == "a\n");
}

TEST_CASE("a host that takes no verbs is done without") {
  const Create create{Host(bare()), {}};
  Verbs verbs(create);
  CHECK_NOTHROW(verbs.offer("echo", "help", [](VerbCall&) {}));
}

TEST_CASE("a verb that the host refuses is the author's mistake") {
  struct Refusing {
    std::int32_t status = EINVAL;
    ashlar_control control{sizeof(ashlar_control), 0, this, [](void* self, const ashlar_verb*, void*) noexcept {
                             return static_cast<Refusing*>(self)->status;
                           }};
    ashlar_host host{*bare()};
    Refusing() {
      host.self = this;
      host.extension = [](void* self, const char* id) noexcept -> const void* {
        return std::strcmp(id, ASHLAR_CONTROL_ID) == 0 ? &static_cast<Refusing*>(self)->control : nullptr;
      };
    }
  } refusing;
  Verbs verbs(Create{Host(&refusing.host), {}});
  CHECK_THROWS_WITH(verbs.offer("Echo", "help", [](VerbCall&) {}), "the verb \"Echo\" is not one");
  refusing.status = EEXIST;
  CHECK_THROWS_WITH(verbs.offer("echo", "help", [](VerbCall&) {}), "the verb \"echo\" is offered twice");
  refusing.status = 0;
  CHECK_NOTHROW(verbs.offer("echo", "help", [](VerbCall&) {}));
}
