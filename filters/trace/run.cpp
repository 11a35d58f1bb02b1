#include "run.hpp"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "format/layout.hpp"

namespace ashlar::trace {
namespace {

std::string content(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The 22nd word of /proc/self/stat (proc(5)); the second may have spaces in it, and ends with the last ')'.
std::string start_time() {
  const std::string stat = content("/proc/self/stat");
  std::size_t at = stat.rfind(')');
  for (int word = 2; word != 22 && at != stat.npos; ++word) at = stat.find(' ', at + 1);
  return at != stat.npos ? stat.substr(at + 1, stat.find(' ', at + 1) - at - 1) : std::string();
}

}  // namespace

std::uint64_t this_run() {
  const std::string name = content("/proc/sys/kernel/random/boot_id") + std::to_string(::getpid()) + " " + start_time();
  return hash_of(std::as_bytes(std::span(name.data(), name.size())));
}

}  // namespace ashlar::trace
