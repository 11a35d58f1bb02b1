// What the lying plugin and the lying filter have in common.
#pragma once
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ashlar/params.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace lying {

inline constexpr std::uint64_t block = 512;
// So far from the start some lies begin: a check that only looks at the start finds nothing.
inline constexpr std::uint64_t later = 64 << 10;

inline constexpr const char* ops[] = {"any", "read", "write", "flush", "trim", "zero", "cache", "extents", nullptr};

inline std::int64_t number_of(std::string_view op) {
  std::int64_t i = 0;
  while (op != ops[i]) ++i;
  return i;
}

// Of the table `lies`, which ends with one without a name. Throws BadParameter.
template <class Lie>
const Lie* find(const Lie* lies, const std::string& name) {
  while (lies->name != nullptr && name != lies->name) ++lies;
  if (lies->name == nullptr) throw ashlar::BadParameter("lie", "lie: there is none called " + name);
  return lies;
}

inline void* sleep_for_ever(void*) {
  for (;;) ::pause();
}

// What the lies named so leave behind each time a device is opened. The memory is kept where nobody looks for it.
inline void leave_behind(std::string_view lie, char*& memory) {
  if (lie == "leaks_a_descriptor_per_open") static_cast<void>(!::dup(0));
  if (lie == "leaks_memory_per_open") memory = new char[24];
  if (lie == "leaks_a_mapping_per_open") ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (lie == "leaks_a_thread_per_open") {
    pthread_t thread;
    ::pthread_create(&thread, nullptr, &sleep_for_ever, nullptr);
  }
  if (lie == "hangs_in_open") sleep_for_ever(nullptr);
}

}  // namespace lying
