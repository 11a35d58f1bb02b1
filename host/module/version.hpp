// Version negotiation: whether this host can run a module. Pure.
#pragma once
#include <ashlar/abi.h>

#include <cstddef>
#include <string>

namespace ashlar::host {

struct AbiVersion {
  std::uint32_t major = ASHLAR_ABI_MAJOR;
  std::uint32_t minor = ASHLAR_ABI_MINOR;
};

// The least an ashlar_module of this major has: its 1.0 form.
inline constexpr std::size_t smallest_module = offsetof(ashlar_module, open) + sizeof(ashlar_module::open);

// Why `host` cannot run the module whose table is `module` (null: the module's entry has refused the host's major),
// naming both versions; empty: it can. Of a table with another major only `struct_size` and `abi_major` are read, as
// only these keep their place. (abi.h, ashlar_module)
std::string refuse_version(AbiVersion host, const ashlar_module* module);

}  // namespace ashlar::host
