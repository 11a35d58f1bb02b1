// What new-module promises beside what every module does (ashlar-check tries that), without a server.
#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/library.hpp>
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
  const TestLayer layer(library.module(), host, {{"size", "1M"}});
  const auto device = layer.open();
  const auto other = layer.open();
  expect(device->geometry().size == 1 << 20, "the disk is as large as its parameter says");

  const std::vector<std::byte> written(512, std::byte{0x5a});
  std::vector<std::byte> read(512);
  expect(device->read(4096, read).ok() && read == std::vector<std::byte>(512), "a new disk reads as zeroes");
  expect(device->write(4096, written).ok() && device->flush().ok(), "it is written to and flushed");
  expect(other->read(4096, read).ok() && read == written, "what one connection has written another reads");
  return wrong == 0 ? 0 : 1;
}
