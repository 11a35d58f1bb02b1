// Stands where the host puts the real one, and does nothing.
#include <ashlar/filter.hpp>

namespace {

class Stand final : public ashlar::Filter {
 public:
  using ashlar::Filter::Filter;
};

}  // namespace

ASHLAR_MODULE(Stand, .name = "zero-emulation", .version = "0", .summary = "a stand-in")
