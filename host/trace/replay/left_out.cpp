// ashlar trace replay where there is no libnbd.
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

int replay_command(const Words&, Streams) {
  throw UsageError(
      "this build leaves it out, as it was made without libnbd: install libnbd-dev, and build anew with "
      "-DASHLAR_LIBNBD=ON");
}

}  // namespace ashlar::host::traces
