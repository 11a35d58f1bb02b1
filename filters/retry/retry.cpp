// retry: requests that fail are made again, after a while, and on request with the layers below opened anew.
#include <ashlar/connection.hpp>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>
#include <cstring>
#include <optional>

#include "lost_writes.hpp"
#include "settings.hpp"

using namespace ashlar;
using std::chrono::steady_clock;

class Retry final : public Filter {
 public:
  static constexpr const char* group = "slow or failing backends";
  struct Layer {
    explicit Layer(const Create& create)
        : settings(create.params),
          host(create.host),
          wait(create.host),
          retries(Metrics(create.host).counter("retries", "requests that were made again")),
          reopens(Metrics(create.host).counter("reopens", "how often the layers below were opened anew")),
          given_up(Metrics(create.host).counter("given_up", "requests that failed all the same")) {}
    const Settings settings;
    const Host host;
    const Wait wait;
    const Counter retries, reopens, given_up;
    Loss loss;
  };
  static constexpr Param params[] = {
      Param::list(Param::choice("errors", error_names,
                                "by which a request may end that is made again; without it, EIO "
                                "and those of a network")),
      Param::integer("times", "how often a request is made again").range(1, 1000000).or_else("5"),
      Param::string("delay", "before it is made again the first time; then twice as long each time").or_else("100ms"),
      Param::string("max_delay", "the longest that is waited before it is made again").or_else("10s"),
      Param::boolean("reopen", "open the layers below anew before a request is made again").or_else("false"),
  };

  Retry(Layer& layer, const Open& open) : Filter(open), layer_(layer) {
    if (layer.settings.reopen) reopen_.emplace(open);
    layer_.loss.enter();
  }
  ~Retry() override { layer_.loss.leave(); }

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);
    g.parks = true;
    return g;
  }
  Status process(Io& io) noexcept override;

 private:
  bool reopens() const { return reopen_ && *reopen_; }
  bool changes(const Io& io) const { return Ops::writing().has(io.op()); }
  Status durably(Io& io) noexcept;
  Status once(Io& io, bool& told) noexcept;
  Status written(Io& io) noexcept;
  Status pause(const Io& io, Status failed, std::uint64_t n) noexcept;
  void reopen(const Io& io, std::uint64_t seen) noexcept;
  void lose(Status cause) noexcept;

  Layer& layer_;
  std::optional<Reopen> reopen_;
  Writes writes_;
};

Status Retry::process(Io& io) noexcept {
  if (io.op() == Op::flush || io.has(Flag::fua)) return durably(io);
  for (std::uint64_t n = 1;; ++n) {
    const std::uint64_t seen = reopens() ? reopen_->generation() : 0;
    bool told = false;
    const Status s = once(io, told);
    // Extents that were told cannot be taken back.
    if (s.ok() || told || !layer_.settings.worth_trying_again(s)) return s;
    if (io.has(Flag::nowait)) return Status::would_block();  // it comes again, and may wait then
    if (n > layer_.settings.times) {
      layer_.given_up.add();
      return s;
    }
    if (const Status cancelled = pause(io, s, n); cancelled.failed()) return cancelled;
    if (reopens()) reopen(io, seen);
    layer_.retries.add();
  }
}

// What has failed to become durable may be gone: trying again might succeed for what is left.
Status Retry::durably(Io& io) noexcept {
  if (!reopens()) return hand_on(io);
  if (const Status lost = layer_.loss.status(); lost.failed()) return lost;
  const Writes::Mark mark = writes_.before_flush();
  const Status s = next(io);
  if (s == Status::would_block() || s == Status::not_supported()) return s;
  if (s.failed()) lose(s);
  else if (io.op() == Op::flush) writes_.flushed(mark);
  return s.ok() ? layer_.loss.status() : s;
}

Status Retry::once(Io& io, bool& told) noexcept {
  if (reopens() && changes(io)) return written(io);
  if (io.sink() == nullptr) return next(io);
  const ashlar_extent_sink* const asked = io.sink();
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    told = true;
    return asked->add(asked->self, bytes, static_cast<std::uint32_t>(state.bits())) == 0;
  });
  io.set_sink(&sink);
  const Status s = next(io);
  io.set_sink(asked);
  return s;
}

// A write that a reopening has come across may have reached layers that are closed by now, behind the last flush that
// they got: it is made again.
Status Retry::written(Io& io) noexcept {
  for (;;) {
    const std::optional<std::uint64_t> begun = writes_.begin();
    if (begun) {
      const Status s = next(io);
      if (writes_.end(*begun) || s.failed()) return s;
    }
    if (io.has(Flag::nowait)) return Status::would_block();
    layer_.wait.sleep_until(steady_clock::now() + std::chrono::milliseconds(1));
    if (layer_.wait.cancelled()) return Status{ECANCELED};
  }
}

// Fails when nobody wants the answer any more; that of what changes the disk is wanted until the server stops.
Status Retry::pause(const Io& io, Status failed, std::uint64_t n) noexcept {
  if (layer_.wait.cancelled()) return Status{ECANCELED};
  const auto delay = layer_.settings.delay_before(n);
  layer_.host.log(Level::warn, "%s %llu@%llu failed: %s; it is made again in %lld ms", name(io.op()),
                  static_cast<unsigned long long>(io.length()), static_cast<unsigned long long>(io.offset()),
                  std::strerror(failed.code()), static_cast<long long>(delay / std::chrono::milliseconds(1)));
  layer_.wait.sleep_until(steady_clock::now() + delay);
  return layer_.wait.cancelled() ? Status{ECANCELED} : Status::success();
}

// The layers below forget what they know of lost writes, so it is asked for before.
void Retry::reopen(const Io& io, std::uint64_t seen) noexcept {
  if (reopen_->generation() != seen) return;  // another request has done it
  writes_.begin_reopening();
  if (writes_.dirty() && below().ops.has(Op::flush)) {
    const Writes::Mark mark = writes_.before_flush();
    const Status s = next(Io(io, Op::flush, 0, 0));
    if (s.failed()) lose(s);
    else writes_.flushed(mark);
  }
  std::string why;
  const Status s = reopen_->reopen(seen, &why);
  writes_.end_reopening();
  if (s.ok()) layer_.reopens.add();
  else layer_.host.log(Level::warn, "the layers below cannot be opened anew: %s", why.c_str());
}

void Retry::lose(Status cause) noexcept {
  if (layer_.loss.set(cause))
    layer_.host.log(Level::error,
                    "what was written and not flushed may be lost (%s): every flush fails until all clients "
                    "of this export have gone",
                    std::strerror(cause.code()));
}

ASHLAR_MODULE(Retry, .name = "retry", .version = "1.0", .summary = "makes requests that fail again",
              .threads = Threads::parallel)
