// Example 5's test: what needs no server to be seen.
#include <stdlib.h>
#include <unistd.h>

#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/library.hpp>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

using namespace ashlar;
using namespace ashlar::testing;

static int wrong = 0;
static void expect(bool holds, const char* what) {
  if (!holds) ++wrong;
  std::printf("%s: %s\n", holds ? "ok" : "WRONG", what);
}

static void answers_what_it_can_without_waiting(const ashlar_module& module, const std::string& path) {
  FakeHost host;
  const TestLayer layer(module, host, {{"path", path}});
  const auto device = layer.open();
  std::vector<std::byte> page(4096);
  expect(device->read(0, page, Flag::nowait) == Status::would_block(), "what is far away has to be waited for");
  expect(device->read(0, page).ok() && device->read(0, page, Flag::nowait).ok(), "what was read is at hand");
  const std::vector<std::byte> before = page, others(4096, std::byte{0xa5});
  expect(device->write(0, others, Flag::nowait) == Status::would_block(), "a write has to be waited for");
  expect(device->read(0, page, Flag::nowait).ok() && page == before, "and has changed nothing so far");
  const std::vector<std::byte> written(512, std::byte{0x5a});
  expect(device->write(1024, written, Flag::fua).ok(), "a write with FUA");
  expect(device->read(0, page, Flag::nowait) == Status::would_block(), "what is written over is no longer at hand");
  expect(device->read(0, page).ok() && page[1024] == std::byte{0x5a}, "what was written is read");
}

static void gives_up_when_nobody_wants_the_answer(const ashlar_module& module, const std::string& path) {
  FakeHost host;
  const TestLayer layer(module, host, {{"path", path}, {"latency", "60000"}});
  const auto device = layer.open();
  std::thread canceller([&] {
    while (host.wait().waiting() == 0) std::this_thread::yield();
    host.wait().cancel();
  });
  std::vector<std::byte> page(4096);
  expect(device->read(0, page) == Status{ECANCELED}, "a read whose client has gone is given up");
  canceller.join();
}

static void waits_for_its_turn(const ashlar_module& module, const std::string& path) {
  FakeHost host;
  const TestLayer layer(module, host, {{"path", path}, {"latency", "100"}, {"cache", "0"}});
  const auto device = layer.open();
  std::atomic<int> failed = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 100; ++i)
    clients.emplace_back([&] {
      std::vector<std::byte> page(4096);
      if (device->read(0, page).failed()) ++failed;
    });
  for (std::thread& client : clients) client.join();
  expect(failed == 0, "more requests than the store takes at once");
}

static void refuses_what_it_cannot_open(const ashlar_module& module, const std::string& path) {
  FakeHost host;
  try {
    const TestLayer layer(module, host, {{"path", path + ".not"}});
    expect(false, "a file that is not there is refused");
  } catch (const Refused& r) {
    expect(r.code() == ENOENT && std::string(r.what()).find(path) != std::string::npos,
           "the text names the file that is not there");
  }
}

int main(int argc, char** argv) {
  char path[] = "/tmp/test-far-XXXXXX";
  const int fd = argc == 2 ? ::mkstemp(path) : -1;
  if (fd < 0 || ::ftruncate(fd, 1 << 20) != 0) {
    std::fputs("usage: test-far MODULE.so; needs a writable /tmp\n", stderr);
    return 2;
  }
  ::close(fd);
  {
    const Library library(argv[1]);
    answers_what_it_can_without_waiting(library.module(), path);
    gives_up_when_nobody_wants_the_answer(library.module(), path);
    waits_for_its_turn(library.module(), path);
    refuses_what_it_cannot_open(library.module(), path);
  }
  ::unlink(path);
  return wrong == 0 ? 0 : 1;
}
