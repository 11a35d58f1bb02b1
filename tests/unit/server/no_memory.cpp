// The loop goes on while its thread gets no memory.
#include "no_memory.hpp"

#include "matchers.hpp"
#include "server/background.hpp"
#include "server/house.hpp"

namespace ashlar::host {

using namespace protocol;

TEST_CASE("without memory new clients are closed; those who are there are served, come and go as before") {
  House house;
  house.open();
  WirePair busy, idle, leaves, early, late;
  std::promise<void> inside, release;
  house.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_TRIM) {
      inside.set_value();
      release.get_future().wait();
    }
    return 0;
  };
  for (WirePair* wire : {&busy, &idle, &leaves}) {
    house.add(*wire);
    REQUIRE(enter(*wire));
  }
  busy.send(request(cmd_trim, 1, 4096));
  inside.get_future().wait();
  let_it_idle();

  house.call([] { return allocations_left = 0; });
  house.add(early);
  CHECK(early.at_end());
  CHECK(allocations_refused != 0);
  for (int round = 0; round < 3; ++round) {
    idle.send(request(cmd_flush, 2, 0));
    CHECK(idle.receive(simple_reply_size).size() == simple_reply_size);
    let_it_idle();
  }
  release.set_value();
  CHECK(busy.receive(simple_reply_size).size() == simple_reply_size);
  leaves.hang_up();
  while (house.call([&] { return house.connections->size(); }) != 2) std::this_thread::yield();

  house.call([] { return allocations_left = SIZE_MAX; });
  house.add(late);
  CHECK(enter(late));
}

TEST_CASE("what a thread has done in the background is told, though neither that thread nor the loop gets memory") {
  House house;
  house.open();
  std::promise<int> told;
  std::future<int> result = told.get_future();
  std::atomic<bool> starved{false};
  house.call([&] {
    const auto work = [&] {
      while (!starved) std::this_thread::yield();
      allocations_left = 0;
      return 7;
    };
    in_background(*house.io, house.context->executor, work, [&](int number) { told.set_value(number); });
    allocations_left = 0;
    starved = true;
    return true;
  });
  CHECK(result.get() == 7);
  house.call([] { return allocations_left = SIZE_MAX; });
}

TEST_CASE("without memory the server stops as it should") {
  House house;
  house.open();
  WirePair idle, silent;
  house.add(silent);
  house.add(idle);
  REQUIRE(enter(idle));
  let_it_idle();
  house.call([] { return allocations_left = 0; });
  house.stop();
  CHECK(idle.at_end());
  CHECK(silent.receive(greeting_size + 1).size() == greeting_size);
}

}  // namespace ashlar::host
