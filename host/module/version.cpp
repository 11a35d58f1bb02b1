#include "module/version.hpp"

namespace ashlar::host {

std::string refuse_version(AbiVersion host, const ashlar_module* module) {
  const std::string own = std::to_string(host.major) + "." + std::to_string(host.minor);
  if (module == nullptr)
    return "is built for an ABI of another major; this ashlar has " + own + ": build the module against its SDK";
  if (module->abi_major != host.major)
    return "is built for ABI major " + std::to_string(module->abi_major) + "; this ashlar has " + own +
           ": build the module against its SDK";
  if (module->struct_size < smallest_module)
    return "has a module table of " + std::to_string(module->struct_size) + " bytes; ABI " + own + " has at least " +
           std::to_string(smallest_module) + ": build the module against the SDK of this ashlar";
  if (module->needs_minor > host.minor)
    return "needs ABI " + std::to_string(module->abi_major) + "." + std::to_string(module->needs_minor) +
           "; this ashlar has " + own + ": use a newer ashlar";
  return {};
}

}  // namespace ashlar::host
