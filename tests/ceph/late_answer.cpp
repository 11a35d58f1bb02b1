// late_answer MODULE CONF IMAGE: reads by the plugin rbd what the cluster does not answer in time, and looks whether
// the answer, which comes later, is written to where the caller has something else by then. Prints "asking", which is
// when the cluster is to be halted, and "given up", when it is to go on; goes on itself for each line on stdin. Exit
// codes: 0 the caller's memory is the caller's, 1 it is not, 2 it could not be tried.
#include <dlfcn.h>

#include <algorithm>
#include <ashlar/testing/fake_host.hpp>
#include <ashlar/testing/harness.hpp>
#include <iostream>
#include <string>
#include <vector>

using namespace ashlar;

namespace {

constexpr std::size_t length = 1 << 20;

void say_and_wait(const char* what) {
  std::cout << what << std::endl;
  std::string line;
  std::getline(std::cin, line);
}

int try_it(const ashlar_module& module, const std::string& conf, const std::string& image) {
  testing::FakeHost host;
  const testing::TestLayer layer(module, host, {{"conf", conf}, {"image", image}, {"timeout", "1s"}});
  const auto disk = layer.open();
  std::vector<std::byte> memory(length, std::byte{'x'});
  if (disk->write(0, memory).failed()) return 2;
  say_and_wait("asking");
  if (disk->read(0, memory).code() != ETIMEDOUT) return 2;
  std::ranges::fill(memory, std::byte{'m'});
  say_and_wait("given up");
  // Answers come in the order of the requests: behind these the late one has come.
  std::vector<std::byte> other(length);
  while (disk->read(0, other).failed()) continue;
  return std::ranges::count(memory, std::byte{'m'}) == length ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  void* const library = ::dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::cerr << ::dlerror() << "\n";
    return 2;
  }
  const auto entry = reinterpret_cast<ashlar_entry_fn>(::dlsym(library, ASHLAR_ENTRY_SYMBOL));
  try {
    return try_it(*entry(ASHLAR_ABI_MAJOR), argv[2], argv[3]);
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 2;
  }
}
