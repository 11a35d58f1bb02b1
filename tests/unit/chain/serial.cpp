// One call at a time into an export that has a serial layer.
#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

// Counts the calls that are in the module at the same time.
struct Crowd {
  std::atomic<int> inside{0}, most{0};
  std::int32_t visit() {
    const int now = ++inside;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::yield();
    --inside;
    return 0;
  }
};

void run_many(Export& e) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&e] {
      for (int round = 0; round < 20; ++round) {
        const auto chain = e.open();
        std::thread sibling([&] {
          ashlar_io io{};
          for (int i = 0; i < 20; ++i) chain->process(io);
        });
        ashlar_io io{};
        for (int i = 0; i < 20; ++i) chain->process(io);
        sibling.join();
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("a serial layer: at most one call of any kind in the whole export") {
  Crowd crowd;
  FakeModule filter(ModuleKind::filter, "top", ASHLAR_SERIAL), plugin(ModuleKind::plugin, "disk");
  for (FakeModule* module : {&filter, &plugin}) {
    module->process = [&](ashlar_io&, const ashlar_open&) { return crowd.visit(); };
    module->open = module->describe = [&](ashlar_error&) { return crowd.visit(); };
  }
  FakeExport e({&filter, &plugin});
  CHECK(e->serial());
  run_many(*e);
  CHECK(crowd.most == 1);
}

TEST_CASE("a serial layer: who waits for its turn when the server stops is not begun, and does not wait on") {
  FakeModule plugin(ModuleKind::plugin, "disk", ASHLAR_SERIAL);
  std::promise<void> inside, release;
  std::atomic<int> calls{0};
  plugin.process = [&](ashlar_io&, const ashlar_open&) {
    if (++calls == 1) {
      inside.set_value();
      release.get_future().get();
    }
    return 0;
  };
  const auto activity = Activity::make();
  FakeExport e({&plugin}, {.activity = activity});
  const auto chain = e->open();
  const auto call = [&] {
    ashlar_io io{};
    return chain->process(io);
  };
  auto holds = std::async(std::launch::async, call);
  inside.get_future().get();
  auto waits = std::async(std::launch::async, call);
  activity->stop();
  CHECK(waits.get() == ESHUTDOWN);
  CHECK(calls == 1);
  release.set_value();
  CHECK(holds.get() == 0);
  CHECK(call() == 0);  // what has its turn at once is begun, as it always was
}

TEST_CASE("without a serial layer two requests of one connection are in the module together") {
  std::latch both(2);
  FakeModule filter(ModuleKind::filter, "top"), plugin(ModuleKind::plugin, "disk");
  filter.process = [&](ashlar_io&, const ashlar_open&) { return both.arrive_and_wait(), 0; };
  FakeExport e({&filter, &plugin});
  CHECK_FALSE(e->serial());
  const auto chain = e->open();
  const auto call = [&] {
    ashlar_io io{};
    chain->process(io);
  };
  std::thread other(call);
  call();
  other.join();
}

TEST_CASE("a layer that fails to open in a serial export leaves its turn to the next") {
  FakeModule plugin(ModuleKind::plugin, "disk", ASHLAR_SERIAL);
  FakeExport e({&plugin});
  plugin.describe = [](ashlar_error&) { return EIO; };
  CHECK_THROWS_AS(e->open(), OpenError);
  plugin.describe = {};
  CHECK(e->open() != nullptr);
}

TEST_CASE("NOWAIT does not wait for another's turn in a serial export: EAGAIN, and the module is not asked") {
  FakeModule plugin(ModuleKind::plugin, "disk", ASHLAR_SERIAL);
  std::promise<void> inside, leave;
  std::atomic<int> calls{0};
  plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    ++calls;
    if ((io.flags & ASHLAR_NOWAIT) == 0) inside.set_value(), leave.get_future().wait();
    return 0;
  };
  FakeExport e({&plugin});
  const auto slow = e->open(), quick = e->open();
  std::thread thread([&] {
    ashlar_io io{};
    slow->process(io);
  });
  inside.get_future().wait();
  ashlar_io io{};
  io.flags = ASHLAR_NOWAIT;
  CHECK(quick->process(io) == EAGAIN);
  CHECK(calls == 1);
  leave.set_value();
  thread.join();
  CHECK(quick->process(io) == 0);
  CHECK(calls == 2);
}

}  // namespace ashlar::host
