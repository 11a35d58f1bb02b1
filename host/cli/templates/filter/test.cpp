// What new-module promises beside what every module does (ashlar-check tries that), without a server: over a disk in
// memory that knows what it was asked for.
#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/library.hpp>
#include <ashlar/testing/model_disk.hpp>
#include <cstdio>
#include <vector>

using namespace ashlar;
using namespace ashlar::testing;

static int wrong = 0;
static void expect(bool holds, const char* what) {
  if (!holds) ++wrong;
  std::printf("%s: %s\n", holds ? "ok" : "WRONG", what);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: test MODULE.so\n", stderr);
    return 2;
  }
  const Library library(argv[1]);
  FakeHost host;
  ModelDisk disk(1 << 20);
  const TestLayer layer(library.module(), host, {{"guarded", "4K"}});
  const auto device = layer.open_over(disk);

  const std::vector<std::byte> written(512, std::byte{0x5a});
  std::vector<std::byte> read(512);
  expect(device->write(4096, written).ok() && device->read(4096, read).ok(), "it is written to and read");
  expect(read == written && disk.bytes()[4096] == std::byte{0x5a}, "the bytes reach the disk below as they are");

  disk.forget_calls();
  expect(device->write(3584, written) == Status{EPERM}, "the guarded bytes are not written to");
  expect(device->zero(0, 8192) == Status{EPERM}, "nor zeroed");
  expect(device->trim(0, 512) == Status{EPERM}, "nor trimmed");
  expect(disk.calls().empty(), "the disk below was not asked");
  expect(device->read(0, read).ok(), "they can be read");

  disk.fail(Op::write, Status::no_space());
  expect(device->write(4096, written) == Status::no_space(), "an error below is the answer");
  expect(disk.breaches().empty(), "the disk below was asked only for what it offers");
  return wrong == 0 ? 0 : 1;
}
