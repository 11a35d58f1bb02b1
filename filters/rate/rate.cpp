// rate: so many bytes, or requests, in a second.
#include <algorithm>
#include <ashlar/control.hpp>
#include <ashlar/durable.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/rules/duration.hpp>
#include <ashlar/rules/size.hpp>
#include <ashlar/rules/text.hpp>
#include <ashlar/wait.hpp>
#include <charconv>
#include <memory>

#include "bucket.hpp"

using namespace ashlar;

namespace {

using rate::Bucket;
using rate::Clock;

constexpr std::chrono::seconds longest_sleep{1};  // so soon another limit holds for those that wait
constexpr std::uint64_t most_requests = 1'000'000'000;
constexpr std::uint32_t depth = 16;  // more requests at once do not become more bytes in a second

std::chrono::nanoseconds burst_in(const Params& params) {
  const auto found = rules::parse_duration(params.text("burst"));
  if (!found || *found > std::chrono::hours(1))
    throw BadParameter("burst", "burst: " + rules::in_quotes(params.text("burst")) +
                                    " is no duration of up to an hour; write 40ms (or ns, us, s, m, h)");
  return *found;
}

// What stands behind `name`= in a word of the verb `set`; none: it is another word.
std::optional<std::string_view> value_of(std::string_view word, std::string_view name) {
  if (!word.starts_with(name) || word.substr(name.size(), 1) != "=") return std::nullopt;
  return word.substr(name.size() + 1);
}

std::uint64_t requests_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || rest != text.data() + text.size() || number > most_requests)
    throw std::invalid_argument(rules::in_quotes(text) + " is no number of requests from 0 to " +
                                std::to_string(most_requests));
  return number;
}

// What passes through both limits.
struct Buckets {
  Buckets(const std::atomic<std::uint64_t>& bytes_per_second, const std::atomic<std::uint64_t>& requests_per_second,
          std::chrono::nanoseconds burst)
      : bytes(bytes_per_second, burst), requests(requests_per_second, burst) {}
  Bucket bytes, requests;
};

}  // namespace

class Rate final : public Filter {
 public:
  static constexpr const char* group = "limits";
  struct Layer {
    explicit Layer(const Create& create)
        : wait(create.host),
          burst(burst_in(create.params)),
          per_connection(create.params.choice("per") == "connection"),
          waits(Metrics(create.host).counter("rate_waits", "requests that had to wait")),
          bytes(create.params.size("bytes")),
          requests(static_cast<std::uint64_t>(create.params.integer("requests"))),
          buckets(bytes, requests, burst),
          verbs(create) {
      verbs.offer("set", "other limits: set bytes=16M requests=100 (0: none); without words: tell them",
                  [this](VerbCall& call) { set(call); });
    }
    void set(VerbCall& call);

    const Wait wait;
    const std::chrono::nanoseconds burst;
    const bool per_connection;
    const Counter waits;
    std::atomic<std::uint64_t> bytes, requests;  // in a second; 0: no limit
    Buckets buckets;                             // of the export
    Verbs verbs;
  };
  static constexpr const char* pers[] = {"export", "connection", nullptr};
  static constexpr Param params[] = {
      Param::size("bytes", "of reads and writes in a second; 0: no limit").or_else("0"),
      Param::integer("requests", "in a second; 0: no limit").range(0, most_requests).or_else("0"),
      Param::string("burst", "for how long what was not used is kept: \"40ms\", \"2s\"").or_else("40ms"),
      Param::choice("per", pers, "whether all connections of the export share the limits, or each has its own")
          .or_else("export"),
  };

  Rate(Layer& layer, const Open& open)
      : Filter(open),
        layer_(layer),
        own_(layer.per_connection ? std::make_unique<Buckets>(layer.bytes, layer.requests, layer.burst) : nullptr),
        buckets_(own_ != nullptr ? *own_ : layer.buckets) {}

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);
    g.parks = true;
    const bool limited = layer_.bytes != 0 || layer_.requests != 0;
    if (limited) g.depth = std::min(g.depth != 0 ? g.depth : depth, depth);
    return g;
  }

  Status process(Io& io) noexcept override {
    const bool moves = io.op() == Op::read || io.op() == Op::write;
    const std::uint64_t part = moves ? part_size() : io.length();
    if (io.has(Flag::nowait)) return io.length() > part ? Status::would_block() : at_once(io, moves ? io.length() : 0);
    if (const Status s = pass(buckets_.requests, 1); s.failed()) return s;
    if (!moves) return hand_on(io);
    if (io.length() > part) return in_parts(io, part);
    const Status s = pass(buckets_.bytes, io.length());
    return s.ok() ? hand_on(io) : s;
  }

 private:
  // Bytes of which one call below may consist: what is due in 10 ms, in whole blocks.
  std::uint64_t part_size() const {
    const std::uint64_t per_second = layer_.bytes.load(std::memory_order_relaxed);
    if (per_second == 0) return UINT64_MAX;
    const std::uint64_t block = below().preferred;
    return std::max(per_second / 100 / block * block, block);
  }

  Status at_once(Io& io, std::uint64_t bytes) noexcept {
    const auto now = Clock::now();
    if (!buckets_.requests.try_take(1, now)) return Status::would_block();
    if (bytes != 0 && !buckets_.bytes.try_take(bytes, now)) {
      buckets_.requests.give_back(1);
      return Status::would_block();
    }
    const Status s = next(io);
    if (s == Status::would_block()) {
      buckets_.requests.give_back(1);
      if (bytes != 0) buckets_.bytes.give_back(bytes);
    }
    return s;
  }

  Status pass(Bucket& bucket, std::uint64_t amount) noexcept {
    Clock::time_point now = Clock::now();
    const double place = bucket.take(amount, now);
    bool waited = false;
    for (;;) {
      const auto left = bucket.due_in(place, now, longest_sleep);
      if (left.count() == 0) return Status::success();
      if (!waited) layer_.waits.add();
      waited = true;
      layer_.wait.sleep_until(now + left);
      if (layer_.wait.cancelled()) return Status{ECANCELED};
      now = Clock::now();
    }
  }

  // So that a large request is no lump below.
  Status in_parts(const Io& io, std::uint64_t part) noexcept {
    const bool reads = io.op() == Op::read;
    const Durable durable(io.has(Flag::fua), below(), false);
    for (std::uint64_t done = 0; done != io.length();) {
      // Up to the next multiple of the part, so that all but the first start there.
      const std::uint64_t at = io.offset() + done, n = std::min(part - at % part, io.length() - done);
      if (const Status s = pass(buckets_.bytes, n); s.failed()) return s;
      Status s;
      if (reads) s = next(Io::read(io, at, io.buffer().subspan(done, n)));
      else s = next(Io::write(io, at, io.payload().subspan(done, n), durable.on_each));
      if (s.failed()) return s;
      done += n;
    }
    return !reads && durable.flush_after ? next(Io(io, Op::flush, 0, 0)) : Status::success();
  }

  Layer& layer_;
  const std::unique_ptr<Buckets> own_;
  Buckets& buckets_;
};

void Rate::Layer::set(VerbCall& call) {
  std::uint64_t new_bytes = bytes, new_requests = requests;
  for (const std::string_view word : call.arguments()) {
    const std::string_view name = word.substr(0, word.find('='));
    if (std::ranges::count_if(call.arguments(), [&](auto other) { return value_of(other, name).has_value(); }) > 1)
      throw std::invalid_argument(rules::in_quotes(name) + " stands there twice; write one limit");
    if (const auto text = value_of(word, "bytes")) new_bytes = static_cast<std::uint64_t>(rules::parse_size(*text));
    else if (const auto number = value_of(word, "requests")) new_requests = requests_in(*number);
    else throw std::invalid_argument(rules::in_quotes(word) + " is no limit; write bytes=16M or requests=100");
  }
  bytes = new_bytes;
  requests = new_requests;
  call.answer("bytes=" + rules::size_text(static_cast<std::int64_t>(new_bytes)) +
              " requests=" + std::to_string(new_requests));
}

ASHLAR_MODULE(Rate, .name = "rate", .version = "1.0", .summary = "so many bytes, or requests, in a second",
              .threads = Threads::parallel)
