// filter_cxx: filter_c in C++, and a serial one. Writes go down in pieces. NAME: what it is called; NEVER_WRITES: it
// says that it never writes below, as it does not with forgets = true.
#include "layer_cxx.hpp"

#include <ashlar/durable.hpp>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>

#include <algorithm>
#include <vector>

using namespace ashlar;

namespace {

constexpr std::size_t piece = 64 << 10;

void invert(std::span<const std::byte> from, std::span<std::byte> to) {
  std::transform(from.begin(), from.end(), to.begin(), [](std::byte b) { return ~b; });
}

Status through(const VerbCall& call, Io&& io) {
  return call.below().size < io.length() ? Status::not_supported() : call.next(io);
}

void must(Status s) {
  if (s.failed()) throw std::system_error(s.code(), std::generic_category(), "below");
}

}  // namespace

class FilterCxx final : public Filter, private CommonDevice {
 public:
  struct Layer : CommonLayer {
    explicit Layer(const Create& create)
        : CommonLayer(create, UINT64_MAX),
          reopens(create.params.boolean("reopens")),
          forgets(create.params.boolean("forgets")) {
      verbs.offer("sum", "of the first block below", Below::read, [](VerbCall& call) {
        std::vector<std::byte> bytes(4096);
        must(through(call, Io::read(0, bytes)));
        unsigned long total = 0;
        for (const std::byte b : bytes) total += std::to_integer<unsigned long>(b);
        call.answer("sum " + std::to_string(total));
      });
      verbs.offer("fill", "the first block below", Below::write, [](VerbCall& call) {
        if (call.arguments().size() != 1) throw std::invalid_argument("fill with what?");
        const std::vector<std::byte> bytes(4096, static_cast<std::byte>(std::stoi(std::string(call.arguments()[0]))));
        must(through(call, Io::write(0, bytes)));
      });
    }
    const bool reopens, forgets;
  };
  static constexpr bool never_writes_below = NEVER_WRITES;
  static constexpr Param params[] = {Param::size("unit", "bytes, of no effect").or_else("1M"), COMMON_PARAMS,
                                     Param::boolean("reopens", "the layers below, when a read fails").or_else("false"),
                                     Param::boolean("forgets", "what is written").or_else("false")};

  FilterCxx(Layer& layer, const Open& open) : Filter(open), CommonDevice(layer, open), own_(layer) {
    if (layer.reopens) reopen_.emplace(open);
  }

  Geometry describe() override {
    Geometry g = offer(Flag::nowait);
    g.ops = g.ops.without(Op::zero);
    g.flags &= Flag::fua | Flag::req_one | Flag::nowait;
    g.zero_may_fail = false;
    g.depth = own_.depth;
    if (own_.forgets) {
      g.ops |= Op::write | Op::flush | Op::trim;
      g.read_only = false;
    }
    return g;
  }

  Status read(Io& io) noexcept override {
    count(io);
    const std::uint64_t seen = reopen_ && *reopen_ ? reopen_->generation() : 0;
    Status s = next(io);
    if (s == Status::io_error() && reopen_ && reopen(seen)) s = next(io);
    if (s.ok()) invert(io.buffer(), io.buffer());
    return s == Status::io_error() ? fail_bad() : s;
  }
  Status write(Io& io) noexcept override {
    count(io);
    if (own_.forgets) return Status::success();
    try {
      std::vector<std::byte> bytes(io.has(Flag::nowait) ? io.length() : std::min(piece, io.length()));
      const bool single = bytes.size() == io.length();
      const Durable durable(io.has(Flag::fua), below(), single);
      for (std::uint64_t done = 0; done < io.length();) {
        const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), io.length() - done));
        invert(io.payload().subspan(done, part.size()), part);
        const Flags flags = io.flags().without(Flag::fua) | durable.on_each;
        if (const Status s = next(Io::write(io, io.offset() + done, part, flags)); s.failed()) return s;
        done += part.size();
      }
      return durable.flush_after ? next(Io(io, Op::flush, 0, 0)) : Status::success();
    } catch (const std::bad_alloc&) {
      return Status{ENOMEM};
    }
  }
  Status flush(Io& io) noexcept override {
    count(io);
    if (own_.forgets) return Status::success();
    if (!io.has(Flag::nowait))
      if (const Status s = own_.thread.wait(own_.wait); s.failed()) return s;
    return next(io);
  }
  Status trim(Io& io) noexcept override {
    count(io);
    return own_.forgets ? Status::success() : hand_on(io);
  }
  Status cache(Io& io) noexcept override {
    count(io);
    if (!io.has(Flag::nowait))
      if (const Status s = own_.sleep_a_little(); s.failed()) return s;
    return hand_on(io);
  }
  Status extents(Io& io) noexcept override {
    count(io);
    const ashlar_extent_sink* const above = io.sink();
    ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
      const ExtentState told = state.has(Extent::zero) ? Extent::allocated : state;
      return above->add(above->self, bytes, static_cast<std::uint32_t>(told.bits())) == 0;
    });
    io.set_sink(&sink);
    const Status s = next(io);
    io.set_sink(above);
    return s;
  }
  const void* extension(const char* id) noexcept override { return replied_extension(id); }

 private:
  bool reopen(std::uint64_t seen) {
    if (!*reopen_) return false;
    std::string why;
    const Status s = reopen_->reopen(seen, &why);
    own_.host.log(Level::warn, "opened anew: %d %s", static_cast<int>(s.code()), why.c_str());
    return s.ok();
  }

  Layer& own_;
  std::optional<Reopen> reopen_;
};

ASHLAR_MODULE(FilterCxx, .name = NAME, .version = "1.0", .summary = "inverts the bytes, of ABI 1.0",
              .threads = Threads::serial)
