// log: one line per request.
#include <ashlar/filter.hpp>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

using namespace ashlar;

namespace {

// Bytes that all names together take, with a comma or the final zero behind each.
constexpr std::size_t all_names() {
  std::size_t n = 0;
  for (const auto& named : Flag::names) n += std::string_view(named.name).size() + 1;
  return n;
}

// "fua,may_trim", or "-" for none.
class FlagText {
 public:
  explicit FlagText(Flags flags) {
    for (const auto& [flag, name] : Flag::names) {
      if (!flags.has(flag)) continue;
      if (used_ != 0) text_[used_++] = ',';
      const std::size_t n = std::strlen(name);
      std::memcpy(text_ + used_, name, n);
      used_ += n;
    }
    if (used_ == 0) text_[used_++] = '-';
  }
  const char* c_str() const { return text_; }

 private:
  char text_[all_names()] = {};
  std::size_t used_ = 0;
};

// "ok", "EIO", or the number of an error without a name.
class ResultText {
 public:
  explicit ResultText(Status s) : text_(s.ok() ? "ok" : strerrorname_np(s.code())) {
    if (text_ != nullptr) return;
    std::snprintf(number_, sizeof number_, "%" PRId32, s.code());
    text_ = number_;
  }
  ResultText(const ResultText&) = delete;
  ResultText& operator=(const ResultText&) = delete;
  const char* c_str() const { return text_; }

 private:
  char number_[16] = {};
  const char* text_;
};

// " client=192.0.2.1:4711", " client=unix:pid=1,uid=0"; empty on trial.
std::string client_text(const Open& open) {
  if (!open.client) return {};
  if (!open.client->address().empty()) return " client=" + std::string(open.client->address());
  std::string text = " client=unix";
  if (const auto pid = open.client->pid()) text += ":pid=" + std::to_string(*pid);
  if (const auto uid = open.client->uid()) text += ",uid=" + std::to_string(*uid);
  return text;
}

Level level_named(std::string_view name) {
  if (name == "trace") return Level::trace;
  if (name == "debug") return Level::debug;
  if (name == "warn") return Level::warn;
  if (name == "error") return Level::error;
  return Level::info;
}

// The ops that are listed; all when there is no list.
Ops ops_in(const Params& params, const char* name) {
  if (!params.has(name)) return Ops::known();
  Ops ops;
  for (const ashlar_value* item : params.list(name)) ops |= Ops{static_cast<Op>(item->number)};
  return ops;
}

}  // namespace

class Log final : public Filter {
 public:
  static constexpr const char* group = "watching and testing";
  struct Layer {
    explicit Layer(const Create& create)
        : host(create.host),
          level(level_named(create.params.choice("level"))),
          ops(ops_in(create.params, "ops")),
          replies(create.params.boolean("replies")) {}
    const Host host;
    const Level level;
    const Ops ops;
    const bool replies;
    std::atomic<std::uint64_t> opened{0};  // numbers the connections
  };
  static constexpr const char* levels[] = {"trace", "debug", "info", "warn", "error", nullptr};
  static constexpr const char* op_names[] = {name(Op::read),    name(Op::write), name(Op::flush),
                                             name(Op::trim),    name(Op::zero),  name(Op::cache),
                                             name(Op::extents), nullptr};  // as numbered
  static constexpr Param params[] = {
      Param::choice("level", levels, "the level of the lines").or_else("info"),
      Param::list(Param::choice("ops", op_names, "which requests have a line; all unless given")),
      Param::boolean("replies", "one line more for each request, when its reply has left").or_else("false"),
  };

  Log(Layer& layer, const Open& open)
      : Filter(open),
        layer_(layer),
        export_name_(open.export_name),
        client_(client_text(open)),
        number_(++layer.opened) {}

  ~Log() override {
    layer_.host.log(layer_.level,
                    "#%" PRIu64 " close export=\"%s\" requests=%" PRIu64 " failed=%" PRIu64 " read=%" PRIu64
                    " written=%" PRIu64,
                    number_, export_name_.c_str(), requests_.load(), failed_.load(), read_.load(), written_.load());
  }

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);  // nothing is changed, so everything can be passed on
    g.parks = true;
    layer_.host.log(layer_.level,
                    "#%" PRIu64 " open export=\"%s\" size=%" PRIu64 " blocks=%" PRIu32 "/%" PRIu32 "/%" PRIu32 "%s",
                    number_, export_name_.c_str(), g.size, g.minimum, g.preferred, g.maximum, client_.c_str());
    return g;
  }

  const void* extension(const char* id) noexcept override {
    return layer_.replies && std::string_view(id) == ASHLAR_REPLIED_ID ? &replied_ : nullptr;
  }

  Status process(Io& io) noexcept override {
    if (!layer_.ops.has(io.op()) || !layer_.host.logs(layer_.level)) return hand_on(io);
    return logged(io);
  }

 private:
  Status logged(Io& io) noexcept {
    using namespace std::chrono;
    const Io asked = io;  // whatever a layer below makes of it
    const auto start = steady_clock::now();
    const Status s = next(io);
    // The same request will come again, without nowait.
    if (s == Status::would_block() && asked.has(Flag::nowait)) return s;
    const auto us = duration_cast<microseconds>(steady_clock::now() - start).count();
    count(asked, s);
    const std::string id = layer_.replies ? " id=" + std::to_string(asked.id()) : std::string();
    layer_.host.log(layer_.level, "#%" PRIu64 " %s offset=%" PRIu64 " length=%" PRIu64 " flags=%s result=%s us=%lld%s",
                    number_, name(asked.op()), asked.offset(), asked.length(), FlagText(asked.flags()).c_str(),
                    ResultText(s).c_str(), static_cast<long long>(us), id.c_str());
    return s;
  }

  void count(const Io& io, Status s) noexcept {
    requests_.fetch_add(1, std::memory_order_relaxed);
    if (s.failed()) failed_.fetch_add(1, std::memory_order_relaxed);
    else if (io.op() == Op::read) read_.fetch_add(io.length(), std::memory_order_relaxed);
    else if (io.op() == Op::write) written_.fetch_add(io.length(), std::memory_order_relaxed);
  }

  static void replied(void* self, std::uint64_t id, std::int32_t status) noexcept {
    const Log& log = *static_cast<const Log*>(self);
    log.layer_.host.log(log.layer_.level, "#%" PRIu64 " replied id=%" PRIu64 " result=%s", log.number_, id,
                        ResultText(Status{status}).c_str());
  }

  Layer& layer_;
  const std::string export_name_;
  const std::string client_;
  const ashlar_replied replied_{sizeof(ashlar_replied), 0, this, &Log::replied};
  const std::uint64_t number_;
  std::atomic<std::uint64_t> requests_{0}, failed_{0}, read_{0}, written_{0};  // of logged requests; bytes
};

ASHLAR_MODULE(Log, .name = "log", .version = "1.0", .summary = "a line in the log for each request",
              .threads = Threads::parallel)
