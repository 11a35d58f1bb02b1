/* A module of an ABI that the host does not know; everything behind the version may look different there. */
#include <stdint.h>

struct module_of_another_abi {
  uint32_t size;
  uint32_t abi_major;
  uint32_t unknown[30];
};

static const struct module_of_another_abi module = {sizeof module, 99, {0}};

__attribute__((visibility("default"))) const void* ashlar_entry(uint32_t host_major);
const void* ashlar_entry(uint32_t host_major) {
  (void)host_major;
  return &module;
}
