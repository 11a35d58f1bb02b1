#include "fiber/fiber.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch.hpp>
#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace ashlar::host {
namespace {

struct Run final : Fiber::Call {
  explicit Run(std::function<void()> function) : what(std::move(function)) {}
  void run_on_fiber() noexcept override { what(); }
  std::function<void()> what;
};

struct Nothing final : Fiber::Waited {
  bool look() noexcept override { return false; }
};

// Keeps those that are ready, in their order.
struct Queue final : Fiber::Scheduler {
  void ready(Fiber& fiber) noexcept override { all.push_back(&fiber); }
  std::int64_t transfer(Fiber&, const Transfer& what) noexcept override { return host::transfer(what); }
  void run_elsewhere(Fiber&, void (*work)(void*) noexcept, void* argument) noexcept override { work(argument); }
  std::vector<Fiber*> all;
};

struct Fixture {
  StackPool stacks{16};
  Queue scheduler;
  Nothing nothing;
  std::string said;

  std::unique_ptr<Fiber> make() { return std::make_unique<Fiber>(stacks, stacks.try_take(), scheduler); }
  void park() { Fiber::current()->park(nothing); }
};

// Takes as much of the stack as it is told to.
int deep(int more) {
  volatile char room[512] = {};
  room[0] = static_cast<char>(more);
  return more == 0 ? 0 : deep(more - 1) + room[0];
}

}  // namespace

TEST_CASE("fibers are put aside and resumed in any order, and are used again") {
  Fixture f;
  const auto one = f.make(), two = f.make();
  Run first([&] {
    f.said += "a";
    f.park();
    f.said += "c";
    f.park();
    f.said += "e";
  });
  Run second([&] {
    f.said += "b";
    f.park();
    f.said += "d";
  });
  one->start(first);
  two->start(second);
  CHECK_FALSE(one->is_at_rest());
  one->resume();
  two->resume();
  CHECK(two->is_at_rest());
  two->start(second);
  one->resume();
  CHECK(one->is_at_rest());
  two->resume();
  CHECK(f.said == "abcdbed");
}

TEST_CASE("a call knows the fiber that it is on, and what it waits for stays with it") {
  Fixture f;
  const auto fiber = f.make();
  const Fiber* seen = nullptr;
  const auto when = Fiber::Clock::now();
  Run call([&] {
    seen = Fiber::current();
    Fiber::current()->park(f.nothing, when);
  });
  CHECK(Fiber::current() == nullptr);
  fiber->start(call);
  CHECK(Fiber::current() == nullptr);
  CHECK(seen == fiber.get());
  CHECK(&fiber->waited() == &f.nothing);
  CHECK(fiber->until() == when);
  fiber->ready();
  REQUIRE(f.scheduler.all == std::vector<Fiber*>{fiber.get()});
  fiber->resume();
  CHECK(fiber->is_at_rest());
}

TEST_CASE("who waits within a handler finds its own exception again") {
  Fixture f;
  const auto one = f.make(), two = f.make();
  const auto fails = [&](const char* text) {
    try {
      throw std::runtime_error(text);
    } catch (const std::runtime_error&) {
      f.park();
      try {
        throw;
      } catch (const std::runtime_error& again) {
        f.said += again.what();
      }
    }
  };
  Run first([&] { fails("one"); }), second([&] { fails("two"); });
  one->start(first);
  two->start(second);
  CHECK(std::current_exception() == nullptr);
  one->resume();
  two->resume();
  CHECK(f.said == "onetwo");
}

TEST_CASE("each thread has its fibers") {
  const auto many = [] {
    Fixture f;
    std::vector<std::unique_ptr<Fiber>> all;
    int done = 0;
    Run call([&] {
      f.park();
      ++done;
    });
    for (int i = 0; i != 16; ++i) all.push_back(f.make());
    for (int round = 0; round != 100; ++round) {
      for (const auto& fiber : all) fiber->start(call);
      for (const auto& fiber : all) fiber->resume();
    }
    return done;
  };
  int others = 0;
  std::thread other([&] { others = many(); });
  CHECK(many() == 1600);
  other.join();
  CHECK(others == 1600);
}

// With TSan a child has too little of what its parent had.
#ifndef __SANITIZE_THREAD__
TEST_CASE("who runs over the end of the stack dies at once") {
  Fixture f;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);
    ::close(STDERR_FILENO);  // where a sanitizer would tell of each call
    Run call([] { ::_exit(deep(1 << 20)); });
    f.make()->start(call);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
#ifndef __SANITIZE_ADDRESS__  // which says what happened and ends with 1
  CHECK(WIFSIGNALED(status));
#endif
}
#endif

}  // namespace ashlar::host
