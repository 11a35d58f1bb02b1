// What is told about calls that are inside a module.
#include "chain/activity.hpp"

#include <future>
#include <optional>
#include <thread>

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using Lines = std::vector<std::string>;

// Stops the thread that passes it until it is opened.
class Gate {
 public:
  void pass() {
    at_it_.set_value();
    open_.get_future().wait();
  }
  void wait_until_somebody_is_there() { at_it_.get_future().wait(); }
  void open() { open_.set_value(); }

 private:
  std::promise<void> at_it_, open_;
};

// Layer and call of all that is under way.
Lines under_way(Activity& activity) {
  Lines lines;
  for (const Activity::UnderWay& call : activity.under_way())
    lines.push_back(call.exported + ": " + call.layer + ": " + call.call + " " + std::to_string(call.offset) + "+" +
                    std::to_string(call.length));
  return lines;
}

// Runs `call` in a thread until it stands at the gate; what is said of it then, and that nothing is said when it is
// done.
Lines said_at(Gate& gate, Activity& activity, const std::function<void()>& call) {
  std::thread thread(call);
  gate.wait_until_somebody_is_there();
  const Lines said = under_way(activity);
  gate.open();
  thread.join();
  CHECK(under_way(activity).empty());
  return said;
}

ashlar_io request(std::uint32_t op, std::uint64_t flags = 0) {
  return {sizeof(ashlar_io), op, flags, 4096, 512, nullptr, nullptr, -1, 0, 0, 0, 0};
}

struct TwoLayers {
  FakeModule filter{ModuleKind::filter, "top"}, plugin{ModuleKind::plugin, "disk"};
  std::shared_ptr<Activity> activity = Activity::make();
  std::optional<FakeExport> made;

  TwoLayers() {
    filter.process = [](ashlar_io& io, const ashlar_open& how) { return how.next->process(how.next->self, &io); };
  }
  Export& make() {
    made.emplace(std::vector<FakeModule*>{&filter, &plugin}, FakeExport::Settings{.activity = activity});
    return **made;
  }
};

}  // namespace

TEST_CASE("a request is told of with the layer that it sits in") {
  TwoLayers layers;
  Gate gate;
  const std::uint64_t flags = GENERATE(std::uint64_t{0}, ASHLAR_NOWAIT);
  const auto chain = layers.make().open();
  const auto call = [&] {
    ashlar_io io = request(ASHLAR_OP_WRITE, flags);
    chain->process(io);
  };
  SECTION("in the filter, on its way down") {
    layers.filter.process = [&](ashlar_io&, const ashlar_open&) { return gate.pass(), 0; };
    CHECK(said_at(gate, *layers.activity, call) == Lines{"disk: filter \"top\": write 4096+512"});
  }
  SECTION("in the plugin") {
    layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return gate.pass(), 0; };
    CHECK(said_at(gate, *layers.activity, call) == Lines{"disk: plugin \"disk\": write 4096+512"});
  }
  SECTION("in the plugin, as what the filter has made of it") {
    layers.filter.process = [&](ashlar_io& io, const ashlar_open& how) {
      ashlar_io other{sizeof(ashlar_io), ASHLAR_OP_ZERO, io.flags, 0, 65536, nullptr, nullptr, -1, 0, 0, 0, 0};
      return how.next->process(how.next->self, &other);
    };
    layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return gate.pass(), 0; };
    CHECK(said_at(gate, *layers.activity, call) == Lines{"disk: plugin \"disk\": zero 0+65536"});
  }
}

TEST_CASE("a request is told of in a serial export; one that waits for its turn is in no module") {
  TwoLayers layers;
  Gate gate;
  layers.plugin.make_serial();
  layers.filter.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_WRITE) gate.pass();
    return 0;
  };
  const auto chain = layers.make().open();
  std::thread other;
  CHECK(said_at(gate, *layers.activity, [&] {
          other = std::thread([&] {
            ashlar_io io = request(ASHLAR_OP_READ);
            chain->process(io);
          });
          ashlar_io io = request(ASHLAR_OP_WRITE);
          chain->process(io);
        }) == Lines{"disk: filter \"top\": write 4096+512"});
  other.join();
}

TEST_CASE("a request that has come back to the filter sits in the filter") {
  TwoLayers layers;
  Gate gate;
  layers.filter.process = [&](ashlar_io& io, const ashlar_open& how) {
    ashlar_io other = request(ASHLAR_OP_FLUSH);
    how.next->process(how.next->self, &other);
    how.next->process(how.next->self, &io);
    return gate.pass(), 0;
  };
  const auto chain = layers.make().open();
  CHECK(said_at(gate, *layers.activity, [&] {
          ashlar_io io = request(ASHLAR_OP_WRITE);
          chain->process(io);
        }) == Lines{"disk: filter \"top\": write 4096+512"});
}

TEST_CASE("calls of several threads are told of, also of a thread that a module has made") {
  TwoLayers layers;
  Gate gates[3];
  layers.filter.process = [&](ashlar_io& io, const ashlar_open& how) {
    if (io.op != ASHLAR_OP_CACHE) return how.next->process(how.next->self, &io);
    std::thread([&] { how.next->process(how.next->self, &io); }).join();
    return 0;
  };
  layers.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    gates[io.op == ASHLAR_OP_READ ? 0 : io.op == ASHLAR_OP_WRITE ? 1 : 2].pass();
    return 0;
  };
  const auto chain = layers.make().open();
  std::vector<std::thread> threads;
  for (const std::uint32_t op : {ASHLAR_OP_READ, ASHLAR_OP_WRITE, ASHLAR_OP_CACHE})
    threads.emplace_back([&, op] {
      ashlar_io io = request(op);
      chain->process(io);
    });
  for (Gate& gate : gates) gate.wait_until_somebody_is_there();
  Lines said = under_way(*layers.activity);
  std::sort(said.begin(), said.end());
  CHECK(said == Lines{"disk: filter \"top\": cache 4096+512", "disk: plugin \"disk\": cache 4096+512",
                      "disk: plugin \"disk\": read 4096+512", "disk: plugin \"disk\": write 4096+512"});
  for (Gate& gate : gates) gate.open();
  for (std::thread& thread : threads) thread.join();
  CHECK(under_way(*layers.activity).empty());
}

TEST_CASE("threads that have ended are forgotten") {
  TwoLayers layers;
  const auto chain = layers.make().open();
  for (int i = 0; i < 3; ++i)
    std::thread([&] {
      ashlar_io io = request(ASHLAR_OP_READ);
      chain->process(io);
    }).join();
  CHECK(under_way(*layers.activity).empty());
}

TEST_CASE("each step in a layer's life is told of") {
  TwoLayers layers;
  Gate gate;
  const auto wait = [&](ashlar_error&) { return gate.pass(), 0; };
  SECTION("create") {
    layers.plugin.create = wait;
    CHECK(said_at(gate, *layers.activity, [&] { layers.make(); }) == Lines{"disk: plugin \"disk\": create 0+0"});
  }
  SECTION("open") {
    Export& made = layers.make();
    layers.filter.open = wait;
    CHECK(said_at(gate, *layers.activity, [&] { made.open(); }) == Lines{"disk: filter \"top\": open 0+0"});
  }
  SECTION("describe") {
    Export& made = layers.make();
    layers.filter.describe = wait;
    CHECK(said_at(gate, *layers.activity, [&] { made.open(); }) == Lines{"disk: filter \"top\": describe 0+0"});
  }
  SECTION("close") {
    auto chain = layers.make().open();
    layers.plugin.close = [&] { gate.pass(); };
    CHECK(said_at(gate, *layers.activity, [&] { chain.reset(); }) == Lines{"disk: plugin \"disk\": close 0+0"});
  }
  SECTION("a request within close") {
    auto chain = layers.make().open();
    const ashlar_device* next = nullptr;
    layers.filter.process = [&](ashlar_io&, const ashlar_open& how) { return next = how.next, 0; };
    ashlar_io io = request(ASHLAR_OP_READ);
    chain->process(io);
    layers.filter.close = [&] {
      ashlar_io flush{sizeof(ashlar_io), ASHLAR_OP_FLUSH, 0, 0, 0, nullptr, nullptr, -1, 0, 0, 0, 0};
      next->process(next->self, &flush);
    };
    layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return gate.pass(), 0; };
    CHECK(said_at(gate, *layers.activity, [&] { chain.reset(); }) == Lines{"disk: plugin \"disk\": flush 0+0"});
  }
  SECTION("destroy") {
    layers.make();
    layers.filter.destroy = [&] { gate.pass(); };
    CHECK(said_at(gate, *layers.activity, [&] { layers.made.reset(); }) == Lines{"disk: filter \"top\": destroy 0+0"});
  }
  SECTION("waiting for what the plugin has lent") {
    const auto chain = layers.make().open();
    CHECK(said_at(gate, *layers.activity, [&] {
            const Inside inside = chain->waiting_for_lent(std::chrono::steady_clock::now());
            gate.pass();
          }) == Lines{"disk: plugin \"disk\": read 0+0"});
  }
}

TEST_CASE("how long: known of a call that may block, else since it was first looked for") {
  TwoLayers layers;
  Gate gate;
  const bool nowait = GENERATE(false, true);
  const auto chain = layers.make().open();
  const auto call = [&](std::uint64_t flags) {
    ashlar_io io = request(ASHLAR_OP_READ, flags);
    chain->process(io);
  };
  // Those before it must not make it look older, neither when they were seen nor when their own age was known.
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return layers.activity->under_way(), 0; };
  std::thread thread([&] {
    call(0);
    call(ASHLAR_NOWAIT);
    layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return gate.pass(), 0; };
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    call(nowait ? ASHLAR_NOWAIT : 0);
  });
  gate.wait_until_somebody_is_there();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto first = layers.activity->under_way();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto second = layers.activity->under_way();
  gate.open();
  thread.join();
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(first[0].at_least == nowait);
  CHECK((first[0].time.count() == 0) == nowait);
  CHECK(second[0].time > first[0].time);
}

TEST_CASE("a call under way is described in one line") {
  Activity::UnderWay call{.exported = "a\nb",
                          .layer = "filter \"log\"",
                          .call = "read",
                          .offset = 4096,
                          .length = 512,
                          .time = std::chrono::milliseconds(4512),
                          .at_least = false};
  CHECK(describe(call) == R"(export "a\nb": filter "log": read, offset 4096, length 512: under way for 4.5 s)");
  call = {.exported = "disk",
          .layer = "plugin \"file\"",
          .call = "close",
          .time = std::chrono::seconds(70),
          .at_least = true};
  CHECK(describe(call) == R"(export "disk": plugin "file": close: under way for at least 70.0 s)");
}

TEST_CASE("of calls of one kind in one layer the oldest is described, and the others are counted") {
  const auto call = [](const char* exported, const char* layer, const char* op, int milliseconds) {
    return Activity::UnderWay{.exported = exported,
                              .layer = layer,
                              .call = op,
                              .offset = 0,
                              .length = 512,
                              .time = std::chrono::milliseconds(milliseconds)};
  };
  const char* const file = R"(plugin "file")";
  const std::vector<Activity::UnderWay> calls{call("b", file, "read", 1000), call("a", file, "write", 2000),
                                              call("b", file, "read", 3000), call("b", file, "write", 4000),
                                              call("b", file, "read", 2000), call("a", file, "write", 1000)};
  const Lines lines = describe(calls);
  CHECK(lines ==
        Lines{R"(export "a": plugin "file": write, offset 0, length 512: under way for 2.0 s, and one more such call)",
              R"(export "b": plugin "file": read, offset 0, length 512: under way for 3.0 s, and 2 more such calls)",
              R"(export "b": plugin "file": write, offset 0, length 512: under way for 4.0 s)"});
  CHECK(describe(std::vector<Activity::UnderWay>()).empty());
}

TEST_CASE("once stopped, nothing is created or opened any more, and what is open can be closed") {
  Journal journal;  // outlives the layers, whose end it hears
  TwoLayers layers;
  Export& made = layers.make();
  auto chain = made.open();
  layers.filter.journal = layers.plugin.journal = &journal;
  layers.activity->stop();
  CHECK_THROWS_AS(made.open(), Stopped);
  CHECK(journal.take().empty());
  chain.reset();
  CHECK(journal.take() == Lines{"close top", "close disk"});
  CHECK_THROWS_AS(FakeExport({&layers.filter, &layers.plugin}, {.activity = layers.activity}), Stopped);
  CHECK(journal.take().empty());
}

TEST_CASE("stopped between two layers: those below are closed") {
  Journal journal;  // outlives the layers, whose end it hears
  TwoLayers layers;
  Export& made = layers.make();
  layers.filter.journal = layers.plugin.journal = &journal;
  layers.plugin.describe = [&](ashlar_error&) { return layers.activity->stop(), 0; };
  CHECK_THROWS_AS(made.open(), Stopped);
  CHECK(journal.take() == Lines{"open disk", "describe disk", "close disk"});
}

TEST_CASE("what a filter sees of the layer below is all that the layer below has") {
  Journal journal;  // outlives the layers, whose end it hears
  TwoLayers layers;
  static const int ability = 0;
  layers.plugin.spoil = [](ashlar_device& device) {
    device.extension = [](void*, const char* id) noexcept -> const void* {
      return std::string_view(id) == "test.ability/1" ? &ability : nullptr;
    };
  };
  layers.filter.process = [&](ashlar_io&, const ashlar_open& how) {
    const ashlar_device& next = *how.next;
    ashlar_geometry geometry{};
    geometry.struct_size = sizeof geometry;
    CHECK(next.struct_size == sizeof next);
    CHECK(next.describe(next.self, &geometry, nullptr) == 0);
    CHECK(geometry.bytes == layers.plugin.geometry.bytes);
    CHECK(next.extension(next.self, "test.ability/1") == &ability);
    CHECK(next.extension(next.self, "test.other/1") == nullptr);
    layers.plugin.spoil = {};
    next.close(next.self);  // not for a filter to do: nothing happens
    return 0;
  };
  Export& made = layers.make();
  auto chain = made.open();
  layers.plugin.journal = &journal;
  ashlar_io io = request(ASHLAR_OP_READ);
  chain->process(io);
  CHECK(journal.take() == Lines{"describe disk"});
  layers.filter.process = [](ashlar_io&, const ashlar_open& how) {
    CHECK(how.next->extension(how.next->self, "test.ability/1") ==
          nullptr);  // the plugin has no such function any more
    return 0;
  };
  made.open()->process(io);
  journal.take();
  chain.reset();
  CHECK(journal.take() == Lines{"close disk"});
}

}  // namespace ashlar::host
