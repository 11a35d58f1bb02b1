// A filter that says that it never writes to the layers below, and hands writes on.
#include <ashlar/filter.hpp>

class NeverWritesBelow final : public ashlar::Filter {
 public:
  static constexpr bool never_writes_below = true;
  using Filter::Filter;
};

ASHLAR_MODULE(NeverWritesBelow, .name = "never_writes_below", .version = "1.0", .summary = "a liar",
              .threads = ashlar::Threads::parallel)
