// trace: records each request in a file, for `ashlar trace`. README.md has what it promises, FORMAT.md the file.
#include <unistd.h>

#include <algorithm>
#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/wait.hpp>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

#include "settings.hpp"
#include "writer.hpp"

using namespace ashlar;
using namespace ashlar::trace;

namespace {

constexpr const char* version = "1.0";

// Texts of a trace hold no zero byte, and fit into a segment.
std::string cut(std::string_view text) { return std::string(text.substr(0, 1024)); }

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string names_of(Ops ops) {
  std::string text;
  for (std::uint32_t op = ASHLAR_OP_READ; op <= ASHLAR_OP_EXTENTS; ++op)
    if (ops.has(static_cast<Op>(op))) text += (text.empty() ? "" : ",") + std::string(name(static_cast<Op>(op)));
  return text;
}

std::string names_of(Flags flags) {
  std::string text;
  for (const auto& [flag, name] : Flag::names)
    if (flags.has(flag)) text += (text.empty() ? "" : ",") + std::string(name);
  return text;
}

TextList place_texts(const Settings& settings, const Open& open, const Geometry& g) {
  const auto yes = [](bool b) { return std::string(b ? "1" : "0"); };
  return {{"tag", cut(settings.tag)},
          {"export", cut(open.export_name)},
          {"host", cut(host_name())},
          {"version", version},
          {"read_only", yes(open.read_only)},
          {"size", std::to_string(g.size)},
          {"minimum", std::to_string(g.minimum)},
          {"preferred", std::to_string(g.preferred)},
          {"maximum", std::to_string(g.maximum)},
          {"ops", names_of(g.ops)},
          {"flags", names_of(g.flags)},
          {"rotational", yes(g.rotational)},
          {"multi_conn", yes(g.multi_conn)},
          {"depth", std::to_string(g.depth)},
          {"payload", Settings::payloads[static_cast<int>(settings.payload)]},
          {"topmost", yes(settings.topmost)}};
}

TextList client_texts(const Client& client) {
  TextList texts{{"transport", client.transport() == Transport::tcp ? "tcp" : "unix"},
                 {"came", std::to_string(monotonic_now())}};
  const auto add = [&texts](const char* key, std::string_view text) {
    if (!text.empty()) texts.emplace_back(key, cut(text));
  };
  const auto add_number = [&texts](const char* key, std::optional<std::int64_t> number) {
    if (number) texts.emplace_back(key, std::to_string(*number));
  };
  add("address", client.address());
  add_number("uid", client.uid());
  add_number("gid", client.gid());
  add_number("pid", client.pid());
  add("tls_name", client.tls_name());
  add("psk_identity", client.psk_identity());
  add("export_name", client.export_name());
  return texts;
}

// Sleeps until there may be room: shortly at first, then a quarter of what has been waited, so that a full disk costs
// nothing while it is.
class Patience {
 public:
  Patience(const Wait& wait, std::chrono::nanoseconds first) : wait_(wait), next_(first) {}
  void sleep() noexcept {
    constexpr std::chrono::nanoseconds most = std::chrono::milliseconds(100);
    wait_.sleep_until(std::chrono::steady_clock::now() + next_);
    next_ = std::min(next_ + next_ / 4, most);
  }

 private:
  const Wait& wait_;
  std::chrono::nanoseconds next_;
};

}  // namespace

class Trace final : public Filter {
 public:
  static constexpr const char* group = "watching and testing";
  struct Layer {
    explicit Layer(const Create& create)
        : host(create.host),
          wait(create.host),
          settings(Settings::from(create)),
          most_payload(FileWriter::most_payload(settings.file_options(0))),
          writer(settings, host),
          verbs(create) {
      verbs.offer("dump", "write what is in the ring to the next file", [this](VerbCall& call) {
        if (settings.ring == 0) throw std::invalid_argument("there is no ring: everything is written as it comes");
        call.refuse_arguments();
        call.answer(writer.dump());
      });
    }
    // When the server begins to serve.
    void begin_serving() {
      writer.begin();
      serves.store(true, std::memory_order_relaxed);
    }
    // The server may have become another user since the layer was made.
    void try_file() const {
      if (!serves.load(std::memory_order_relaxed)) settings.refuse_unfit();
    }

    const Host host;
    const Wait wait;
    const Settings settings;
    const std::uint64_t most_payload;  // bytes of one request
    Writer writer;
    std::atomic<bool> serves{false};
    Verbs verbs;
  };
  static constexpr auto& params = Settings::params;

  Trace(Layer& layer, const Open& open) : Filter(open), layer_(layer), topmost_(layer.settings.topmost) {
    // On trial there is nothing to trace, and nothing is to be changed.
    if (open.purpose == Purpose::trial) {
      layer.try_file();
      return;
    }
    // What a verb of a layer above asks is of no client.
    tap_ = layer.writer.open(place_texts(layer.settings, open, below()), open.client ? open.client->number() : 0,
                             open.client ? client_texts(*open.client) : TextList());
  }
  ~Trace() override {
    if (tap_ != nullptr) layer_.writer.close(*tap_);
  }

  // Bytes that are to be kept have to come through here.
  Geometry describe() override {
    Geometry g = offer(layer_.settings.payload == PayloadKind::none ? Flag::shortcuts : Flag::nowait);
    g.parks = true;
    return g;
  }

  const void* extension(const char* id) noexcept override {
    if (tap_ == nullptr || std::string_view(id) != ASHLAR_REPLIED_ID) return nullptr;
    tap_->told.store(true, std::memory_order_relaxed);
    return &replied_;
  }

  Status process(Io& io) noexcept override {
    if (tap_ == nullptr) return hand_on(io);
    if (layer_.settings.wait && !has_room(io)) return Status::would_block();
    Tap& tap = *tap_;
    Asked asked;
    asked.id = io.id();
    asked.flags = io.flags().bits();
    asked.offset = io.offset();
    asked.length = io.length();
    asked.op = static_cast<std::uint32_t>(io.op());
    if (asked.id > tap.newest.load(std::memory_order_relaxed)) tap.newest.store(asked.id, std::memory_order_relaxed);
    // What does not wait is under way for no time worth counting, and is spared two writes to what threads share.
    const bool counts = !io.has(Flag::nowait);
    asked.depth = tap.under_way.load(std::memory_order_relaxed);
    if (counts) tap.under_way.fetch_add(1, std::memory_order_relaxed);
    asked.start = !counts && tap.goes_on.load(std::memory_order_relaxed) ? tap.last_done.load(std::memory_order_relaxed)
                                                                         : monotonic_now();
    const Status s = next(io);
    asked.done = monotonic_now();
    if (counts) tap.under_way.fetch_sub(1, std::memory_order_relaxed);
    asked.result = s.code();
    tap.last_done.store(asked.done, std::memory_order_relaxed);
    record(io, asked);
    return s;
  }

 private:
  // What is kept free in the ring for replies, which are small, so that requests are not left without theirs.
  static constexpr std::size_t for_replies = 32 << 10;

  // when_full = "wait". False: there is none, and the request must not wait.
  bool has_room(const Io& io) const noexcept {
    const std::size_t enough = tap_->ring.capacity() / 4;
    Patience patience(layer_.wait, std::chrono::milliseconds(1));
    while (tap_->ring.room() < enough) {
      layer_.writer.wake();
      if (io.has(Flag::nowait)) return false;
      if (layer_.wait.cancelled()) return true;
      patience.sleep();
    }
    return true;
  }

  // Behind the call of the layer below; `asked` is as the request came.
  void record(const Io& io, Asked& asked) noexcept {
    const Flags flags{asked.flags};
    const bool blocked = asked.result == EAGAIN && flags.has(Flag::nowait);
    asked.lent_cold = asked.op == ASHLAR_OP_READ && flags.has(Flag::may_lend_cold) && io.lent_cold != 0 ? 1 : 0;
    if (topmost_ && flags.has(Flag::nowait))
      tap_->goes_on.store(!blocked && asked.lent_cold == 0 && tap_->told.load(std::memory_order_relaxed),
                          std::memory_order_relaxed);
    asked.marks = 0;
    asked.unused = 0;
    asked.payload = 0;
    if (layer_.settings.payload != PayloadKind::none && !blocked) choose_payload(asked);
    const auto kept = static_cast<PayloadKind>(asked.payload);
    const auto bytes = static_cast<std::size_t>(sizeof asked + payload_bytes(kept, asked.offset, asked.length));
    Ring::Event* const event = claim(bytes, for_replies);
    if (event == nullptr) {
      tap_->dropped.fetch_add(blocked ? 0 : 1, std::memory_order_relaxed);
      return;
    }
    std::memcpy(event->bytes(), &asked, sizeof asked);
    if (kept != PayloadKind::none) put_payload(io, asked, event->bytes() + sizeof asked);
    if (tap_->ring.put(event, bytes, blocked ? event_tried : event_done)) layer_.writer.wake();
  }

  void choose_payload(Asked& asked) const noexcept {
    const bool read = asked.op == ASHLAR_OP_READ && asked.result == 0;
    if (!read && asked.op != ASHLAR_OP_WRITE) return;
    const PayloadKind kept = layer_.settings.payload;
    if (payload_bytes(kept, asked.offset, asked.length) <= layer_.most_payload)
      asked.payload = static_cast<std::uint8_t>(kept);
    else asked.marks = mark_left_out;
  }

  static void put_payload(const Io& io, const Asked& asked, std::byte* to) noexcept {
    const std::span<const std::byte> bytes{static_cast<const std::byte*>(io.ashlar_io::data), asked.length};
    if (asked.payload == static_cast<std::uint8_t>(PayloadKind::data)) {
      std::memcpy(to, bytes.data(), bytes.size());
      return;
    }
    for (std::uint64_t at = 0; at != bytes.size();) {
      const std::uint64_t in_block = hash_block - (asked.offset + at) % hash_block;
      const std::uint64_t n = std::min<std::uint64_t>(in_block, bytes.size() - at);
      const std::uint64_t hash = hash_of(bytes.subspan(at, n));
      std::memcpy(to, &hash, sizeof hash);
      to += sizeof hash;
      at += n;
    }
  }

  // With when_full = "wait" there nearly always is room by now; else the writer is about to make some.
  Ring::Event* claim(std::size_t bytes, std::size_t spare) noexcept {
    Ring& ring = tap_->ring;
    Ring::Event* event = ring.claim(bytes, spare);
    Patience patience(layer_.wait, std::chrono::microseconds(100));
    while (event == nullptr && layer_.settings.wait && !layer_.wait.cancelled()) {
      layer_.writer.wake();
      patience.sleep();
      event = ring.claim(bytes, spare);
    }
    return event;
  }

  // Threads may meet here: then one of them may have the time of the other's batch, of the same tick.
  static std::uint64_t time_of_batch(Tap& tap) noexcept {
    const std::uint64_t done = tap.last_done.load(std::memory_order_relaxed);
    const std::uint64_t tick = monotonic_now(CLOCK_MONOTONIC_COARSE);
    if (done == tap.batch_done.load(std::memory_order_relaxed) &&
        tick == tap.batch_tick.load(std::memory_order_relaxed))
      return tap.batch_time.load(std::memory_order_relaxed);
    const std::uint64_t time = monotonic_now();
    tap.batch_done.store(done, std::memory_order_relaxed);
    tap.batch_tick.store(tick, std::memory_order_relaxed);
    tap.batch_time.store(time, std::memory_order_relaxed);
    return time;
  }

  static void replied(void* self, std::uint64_t id, std::int32_t status) noexcept {
    const Trace& here = *static_cast<const Trace*>(self);
    Tap& tap = *here.tap_;
    tap.goes_on.store(false, std::memory_order_relaxed);
    const std::uint64_t time = status == ECONNABORTED ? 0 : time_of_batch(tap);
    if (tap.newest.load(std::memory_order_relaxed) - id < Replies::newest) return tap.replies.put(id, time);
    const Sent sent{.id = id, .time = time};
    Ring::Event* const event = tap.ring.claim(sizeof sent, 0);
    if (event == nullptr) {
      tap.unseen.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    std::memcpy(event->bytes(), &sent, sizeof sent);
    if (tap.ring.put(event, sizeof sent, event_sent)) here.layer_.writer.wake();
  }

  Layer& layer_;
  // The host asks for one request after the other and sends their replies before it waits. So in the topmost layer,
  // what must not wait and comes behind another such request, without a reply in between, has come when that one was
  // done: to read the clock again would cost more than all the rest.
  const bool topmost_;
  std::shared_ptr<Tap> tap_;  // null: on trial
  const ashlar_replied replied_{sizeof(ashlar_replied), 0, this, &Trace::replied};
};

ASHLAR_MODULE(Trace, .name = "trace", .version = version, .summary = "records each request in a file, for ashlar trace",
              .threads = Threads::parallel)
