// invert: keeps every bit upside down below.
// Example 2: a filter overrides what it changes; the rest goes on by itself.
#include <algorithm>
#include <ashlar/filter.hpp>
#include <functional>
#include <memory>

using namespace ashlar;

class Invert final : public Filter {
 public:
  using Filter::Filter;

  // It must not offer what would no longer be true: zeroes below are ones above, in zero and in extents.
  Geometry describe() override {
    Geometry g = offer();
    g.ops = g.ops.without(Op::zero).without(Op::extents);
    return g;
  }

  Status read(Io& io) noexcept override {
    const Status s = next(io);
    std::ranges::transform(io.buffer(), io.buffer().begin(), std::bit_not());
    return s;
  }
  Status write(Io& io) noexcept override {
    // The payload is the client's and stays as it is.
    const std::unique_ptr<std::byte[]> inverted(new (std::nothrow) std::byte[io.length()]);
    if (inverted == nullptr) return Status{ENOMEM};
    std::ranges::transform(io.payload(), inverted.get(), std::bit_not());
    return next(Io::write(io, io.offset(), {inverted.get(), io.length()}, io.flags()));
  }
};

ASHLAR_MODULE(Invert, .name = "invert", .version = "1.0", .summary = "keeps every bit upside down",
              .threads = Threads::parallel)
