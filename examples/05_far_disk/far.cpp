// far: a disk whose storage is far away. Example 5: parameters of each type, a thread of the layer's own, waiting
// without blocking, giving up, metrics, errors, FUA and requests that must not wait.
#include <algorithm>
#include <ashlar/metrics.hpp>
#include <ashlar/plugin.hpp>
#include <ashlar/wait.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "cache.hpp"
#include "store.hpp"

using namespace ashlar;

namespace {

constexpr std::uint64_t sector = 512;
constexpr double seconds[] = {0.001, 0.01, 0.1, 1, 10};  // bounds of the histogram
constexpr const char* orders[] = {"arrival", "offset", nullptr};

// What the connections of an export share. Nothing lives in statics: two exports have two of these.
class FarLayer {
 public:
  explicit FarLayer(const Create& create)
      : host(create.host),
        wait(create.host),
        hits(Metrics(create.host).counter("cache_hits", "reads that the cache answered")),
        answers(Metrics(create.host).histogram("store_seconds", "how long the store took to answer", seconds)),
        latency(create.params.integer("latency")),
        write_through(create.params.boolean("write_through")),
        cache(create.params.size("cache")),
        store(open_store(create.params, latency)) {
    const std::string_view user = create.params.text("user");
    log_in(create.params);
    for (const ashlar_value* item : create.params.list("bad")) {
      const auto at = static_cast<std::uint64_t>(item->number);
      if (at >= store.size())
        throw BadParameter(
            "bad", std::to_string(at) + " is past the end: the disk has " + std::to_string(store.size()) + " bytes");
      bad_.push_back(at / sector);
    }
    std::sort(bad_.begin(), bad_.end());
    host.log(Level::debug, "logged in as \"%.*s\"", static_cast<int>(user.size()), user.data());
  }

  // Whether a sector is touched that cannot be read or written.
  bool is_bad(const Io& io) const {
    const auto first = std::lower_bound(bad_.begin(), bad_.end(), io.offset() / sector);
    return first != bad_.end() && *first * sector < io.end();
  }

  const Host host;
  const Wait wait;
  const Counter hits;
  const Histogram answers;
  const std::chrono::milliseconds latency;
  const bool write_through;
  Cache cache;
  Store store;  // the last, so that its thread is joined before anything else is gone

 private:
  static Store open_store(const Params& params, Store::Clock::duration latency) {
    const auto order = params.choice("order") == "offset" ? Store::Order::offset : Store::Order::arrival;
    try {
      return Store(std::string(params.path("path")), latency, order);
    } catch (const std::system_error& e) {
      throw BadParameter("path", e.what(), e.code().value());  // so the operator is shown that line
    }
  }
  // A secret is never printed, not even a wrong one.
  static void log_in(const Params& params) {
    if (params.has("user") && !params.has("token")) throw BadParameter("user", "is of no use without token");
    if (params.has("token") && params.secret("token").size() < 8)
      throw BadParameter("token", "the store refuses it: it has at least 8 characters", EACCES);
  }

  std::vector<std::uint64_t> bad_;  // sectors, sorted
};

class Far final : public Plugin {
 public:
  using Layer = FarLayer;
  static constexpr Param params[] = {
      Param::path("path", "the file that the store keeps the bytes in").needed(),
      Param::string("user", "who to log in as"),
      Param::secret("token", "what to log in with"),
      Param::integer("latency", "milliseconds until the store answers").range(0, 60'000).or_else("1"),
      Param::choice("order", orders, "which of several jobs the store does first").or_else("arrival"),
      Param::size("cache", "memory for what was read").range(0, 1 << 30).or_else("1M"),
      Param::boolean("write_through", "each write is durable before it is answered").or_else("false"),
      Param::list(Param::size("bad", "where sectors are that cannot be read or written, to try out what clients do")),
  };

  Far(Layer& layer, const Open&) : layer_(layer) {}

  Geometry describe() override {
    return {.size = layer_.store.size(),
            .flags = Flag::fua | Flag::nowait,
            .multi_conn = true,         // the connections share the store, and its sync covers them all
            .parks = true,              // it waits by Wait only
            .depth = Store::capacity};  // so clients may have that many requests under way
  }

  Status read(Io& io) noexcept override {
    if (layer_.is_bad(io)) return Status::io_error();
    if (layer_.cache.read(io.offset(), io.buffer())) {
      layer_.hits.add();
      return Status::success();
    }
    // The host asks again without the flag.
    if (io.has(Flag::nowait)) return Status::would_block();
    const std::uint64_t version = layer_.cache.version();
    const Status s = ask(
        {.kind = Store::Job::read, .offset = io.offset(), .data = io.buffer().data(), .length = io.buffer().size()});
    if (s.ok()) layer_.cache.keep(version, io.offset(), io.buffer());
    return s;
  }

  Status write(Io& io) noexcept override {
    if (layer_.is_bad(io)) return Status::io_error();
    if (io.has(Flag::nowait)) return Status::would_block();  // before anything is changed
    layer_.cache.forget(io.offset(), io.length());
    // The store only reads from it.
    auto* const payload = const_cast<std::byte*>(io.payload().data());
    const Status s = ask({.kind = Store::Job::write,
                          .offset = io.offset(),
                          .data = payload,
                          .length = io.payload().size(),
                          .durable = layer_.write_through || io.has(Flag::fua)});
    layer_.cache.forget(io.offset(), io.length());
    return s;
  }

  Status flush(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    return ask({.kind = Store::Job::sync});
  }

 private:
  // Has the store do a job, again and again as long as it is busy and somebody wants the answer.
  Status ask(const Store::Job& job) noexcept {
    for (;;) {
      const Status s = ask_once(job);
      if (s != Status{EBUSY}) return s;
      layer_.wait.sleep_until(std::chrono::steady_clock::now() +
                              std::max(layer_.latency, std::chrono::milliseconds(1)));
      if (layer_.wait.cancelled()) return Status{ECANCELED};
    }
  }

  // No mutex is held here: while this waits, the thread may carry out other requests.
  Status ask_once(Store::Job job) noexcept {
    try {
      Wait::Ticket ticket(layer_.wait);
      struct Asked {
        Store& store;
        Wait::Ticket& ticket;
      } asked{layer_.store, ticket};
      job.argument = &asked;
      job.done = [](void* a, int error) noexcept { static_cast<Asked*>(a)->ticket.done(error); };
      const auto asked_at = Store::Clock::now();
      layer_.store.submit(job);
      ticket.on_cancel([](void* a) noexcept { static_cast<Asked*>(a)->store.cancel(a); }, &asked);
      const Status s{static_cast<std::int32_t>(ticket.wait())};
      layer_.answers.observe(std::chrono::duration<double>(Store::Clock::now() - asked_at).count());
      return s;
    } catch (const std::bad_alloc&) {
      return Status{ENOMEM};
    }
  }

  Layer& layer_;
};

}  // namespace

// Parallel: what the threads share, the cache and the store, looks after itself.
ASHLAR_MODULE(Far, .name = "far", .version = "1.0", .summary = "a disk whose storage is far away",
              .threads = Threads::parallel)
