#include "watch.hpp"

#include <sys/mman.h>

#include <ashlar/ops.hpp>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

namespace ashlar::check {

Watch& Watch::make() {
  void* memory = ::mmap(nullptr, sizeof(Watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "no memory to share");
  return *new (memory) Watch;
}

std::string Watch::doing() const {
  const char* call = call_.load();
  const char* scene = scene_.load();
  std::string text;
  if (call == request) text = "in " + request_text(op_.load(), offset_.load(), length_.load(), flags_.load());
  else if (call == verb) text = "in the verb " + std::string(verb_, ::strnlen(verb_, sizeof verb_));
  else if (call != nullptr) text = std::string("in ") + call;
  if (scene != nullptr) text += (text.empty() ? "" : " ") + std::string(scene);
  return text;
}

std::string request_text(std::uint32_t op, std::uint64_t offset, std::uint64_t length, std::uint64_t flags) {
  std::string text = name(static_cast<Op>(op));
  if (static_cast<Op>(op) != Op::flush) text += " " + std::to_string(length) + "@" + std::to_string(offset);
  char between = ' ';
  for (const auto& [flag, name] : Flag::names) {
    if ((flags & flag.bits()) == 0) continue;
    text += between + std::string(name);
    between = ',';
  }
  return text;
}

}  // namespace ashlar::check
