// Example 3: a module is tested without a server, over a disk in memory that fails when told to.
// ashlar-check MODULE.so tries what every module must keep; here is what this one promises.
#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/library.hpp>
#include <ashlar/testing/model_disk.hpp>
#include <cstdio>

using namespace ashlar;
using namespace ashlar::testing;

static int wrong = 0;
static void expect(bool holds, const char* what) {
  if (!holds) ++wrong;
  std::printf("%s: %s\n", holds ? "ok" : "WRONG", what);
}

int main(int, char** argv) {
  const Library library(argv[1]);
  FakeHost host;
  ModelDisk disk(4096);
  const TestLayer layer(library.module(), host);
  const auto device = layer.open_over(disk);

  const std::vector<std::byte> written(512, std::byte{0x0f});
  std::vector<std::byte> read(512);
  expect(device->write(1024, written).ok() && device->read(1024, read).ok(), "it writes and reads");
  expect(read == written, "what was written is read");
  expect(disk.bytes()[1024] == std::byte{0xf0}, "the layer below holds it upside down");
  expect(!device->geometry().ops.has(Op::zero), "a zero below would not be one above, so it is not offered");
  expect(disk.breaches().empty(), "the layer below was asked only for what it offers");
  disk.fail(Op::write, Status::no_space());
  expect(device->write(0, written) == Status::no_space(), "an error below is the answer");
  return wrong == 0 ? 0 : 1;
}
