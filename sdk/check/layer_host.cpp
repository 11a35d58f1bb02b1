#include "layer_host.hpp"

#include <time.h>

#include <algorithm>
#include <ashlar/rules/name.hpp>
#include <ashlar/rules/text.hpp>
#include <ashlar/rules/transfer.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <set>
#include <thread>

#include "held.hpp"
#include "services.hpp"
#include "text.hpp"
#include "under_way.hpp"

struct ashlar_ticket {
  const std::thread::id begun_by = std::this_thread::get_id();
  std::mutex mutex;
  std::condition_variable ready;
  bool done = false;
  std::int64_t result = 0;
  void (*hook)(void*) noexcept = nullptr;
  void* argument = nullptr;
};

struct ashlar_metric {
  std::string name;
  std::uint32_t kind;
  void* of;  // who made it
};

namespace ashlar::check {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::size_t most_metrics = 1000;  // of a layer

// In work that ashlar.blocking has called.
thread_local bool within_work = false;

}  // namespace

// ashlar.wait/1, by blocking the thread.
struct LayerHost::Waits {
  explicit Waits(LayerHost& of)
      : layer(of), table({0, 0, this, &begin, &done, &wait, &sleep_until, &cancelled, &on_cancel}) {}

  static ashlar_ticket* begin(void* self) noexcept {
    auto& w = *static_cast<Waits*>(self);
    w.layer.used("wait");
    auto* ticket = new (std::nothrow) ashlar_ticket;
    if (ticket == nullptr) return nullptr;
    const std::lock_guard guard(w.mutex);
    w.open.insert(ticket);
    return ticket;
  }
  static void done(void* self, ashlar_ticket* ticket, std::int64_t result) noexcept {
    auto& w = *static_cast<Waits*>(self);
    const std::lock_guard guard(w.mutex);
    if (!w.open.contains(ticket)) return w.layer.services_.wrong("done was called with a ticket that is gone");
    const std::lock_guard of_ticket(ticket->mutex);
    if (ticket->done) return w.layer.services_.wrong("done was called twice for a ticket");
    ticket->done = true;
    ticket->result = result;
    ticket->ready.notify_all();
  }
  static std::int64_t wait(void* self, ashlar_ticket* ticket) noexcept {
    auto& w = *static_cast<Waits*>(self);
    if (ticket->begun_by != std::this_thread::get_id())
      w.layer.services_.wrong("it waits in another call than the one that began to");
    w.begin_waiting();
    std::int64_t result = 0;
    {
      std::unique_lock lock(ticket->mutex);
      w.wait_until_cancelled(*ticket, lock);
      ticket->ready.wait(lock, [&] { return ticket->done; });
      result = ticket->result;
    }
    const std::lock_guard guard(w.mutex);
    w.open.erase(ticket);
    delete ticket;
    return result;
  }
  // Returns when it is done, or its hook has been called.
  void wait_until_cancelled(ashlar_ticket& ticket, std::unique_lock<std::mutex>& lock) const {
    const auto end = layer.services_.cancelled_at();
    if (end == Services::Clock::time_point::max() || ticket.hook == nullptr) return;
    if (ticket.ready.wait_until(lock, end, [&] { return ticket.done; })) return;
    lock.unlock();
    ticket.hook(ticket.argument);
    lock.lock();
  }
  static void sleep_until(void* self, std::uint64_t nanoseconds) noexcept {
    auto& w = *static_cast<Waits*>(self);
    w.layer.used("wait");
    w.begin_waiting();
    const auto cancelled = static_cast<std::uint64_t>(w.layer.services_.cancelled_at().time_since_epoch().count());
    nanoseconds = std::min(nanoseconds, cancelled);
    const timespec end{static_cast<time_t>(nanoseconds / second), static_cast<long>(nanoseconds % second)};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr) == EINTR) {
    }
  }
  void begin_waiting() {
    layer.services_.count_wait();
    if (locks_held() != 0) layer.services_.wrong("it waits while it holds a lock");
    if (within_sink != 0) layer.services_.wrong("it waits within a sink");
    if (within_work) layer.services_.wrong("it waits within work that the host has blocked for");
  }
  static std::int32_t cancelled(void* self) noexcept {
    return Services::Clock::now() >= static_cast<Waits*>(self)->layer.services_.cancelled_at() ? 1 : 0;
  }
  static void on_cancel(void* self, ashlar_ticket* ticket, void (*hook)(void*) noexcept, void* argument) noexcept {
    auto& w = *static_cast<Waits*>(self);
    const std::lock_guard guard(ticket->mutex);
    if (ticket->hook != nullptr) w.layer.services_.wrong("on_cancel was called twice for a ticket");
    ticket->hook = hook;
    ticket->argument = argument;
  }

  LayerHost& layer;
  mutable std::mutex mutex;
  std::set<ashlar_ticket*> open;
  Padded<ashlar_wait> table;
};

// ashlar.blocking/1, by blocking the thread; work runs on another one, as it may anywhere.
struct LayerHost::Blocking {
  explicit Blocking(LayerHost& of) : layer(of), table({0, 0, this, &read, &write, &run}) {}

  static std::int64_t read(void* self, std::int32_t fd, void* into, std::uint64_t length, std::uint64_t offset,
                           std::uint32_t flags) noexcept {
    static_cast<Blocking*>(self)->begin();
    return rules::read_blocking(fd, into, length, offset, static_cast<int>(flags));
  }
  static std::int64_t write(void* self, std::int32_t fd, const void* from, std::uint64_t length, std::uint64_t offset,
                            std::uint32_t flags) noexcept {
    static_cast<Blocking*>(self)->begin();
    return rules::write_blocking(fd, from, length, offset, static_cast<int>(flags));
  }
  static void run(void* self, void (*work)(void*) noexcept, void* argument) noexcept {
    static_cast<Blocking*>(self)->begin();
    std::thread([=] {
      within_work = true;
      work(argument);
    }).join();
  }
  void begin() {
    layer.used("blocking");
    if (within_work) return;  // where it may hold locks, and just blocks
    layer.services_.count_wait();
    if (locks_held() != 0) layer.services_.wrong("it has the host block for it while it holds a lock");
    if (within_sink != 0) layer.services_.wrong("it has the host block for it within a sink");
    if (within_nowait != 0) layer.services_.wrong("it has the host block for it within a request with nowait");
  }

  LayerHost& layer;
  Padded<ashlar_blocking> table;
};

// ashlar.metrics/1, which forgets the figures.
struct LayerHost::Metrics {
  explicit Metrics(LayerHost& of) : layer(of), table({0, 0, this, &make, &add, &set, &observe}) {}

  static ashlar_metric* make(void* self, std::uint32_t kind, const char* name, const char*, const double* bounds,
                             std::size_t n_bounds) noexcept {
    auto& m = *static_cast<Metrics*>(self);
    m.layer.used("metrics");
    const std::lock_guard guard(m.mutex);
    if (const char* fault = rules::metric_fault(kind, name, bounds, n_bounds)) return m.wrong(name, fault);
    for (ashlar_metric& one : m.all)
      if (one.name == name) return one.kind == kind ? &one : m.wrong(name, "its name stands for another kind");
    if (m.all.size() == most_metrics) return m.wrong(name, "it is one of more than a thousand of the layer");
    return &m.all.emplace_back(ashlar_metric{name, kind, &m});
  }
  ashlar_metric* wrong(const char* name, const char* fault) {
    layer.services_.wrong("it made the metric " + rules::in_quotes(name != nullptr ? name : "") + ": " + fault);
    return nullptr;
  }
  static void use(ashlar_metric* metric, bool right, const char* how) {
    const auto& m = *static_cast<Metrics*>(metric->of);
    m.layer.used("metrics");
    if (!right) m.layer.services_.wrong("the metric " + metric->name + " " + how);
  }
  static void add(ashlar_metric* metric, double amount) noexcept {
    if (metric == nullptr) return;
    use(metric, metric->kind != ASHLAR_COUNTER || amount >= 0, "is a counter, and was made less");
    use(metric, metric->kind != ASHLAR_HISTOGRAM, "is a histogram, and something was added to it");
  }
  static void set(ashlar_metric* metric, double) noexcept {
    if (metric != nullptr) use(metric, metric->kind == ASHLAR_GAUGE, "was set, and is no gauge");
  }
  static void observe(ashlar_metric* metric, double) noexcept {
    if (metric != nullptr) use(metric, metric->kind == ASHLAR_HISTOGRAM, "is no histogram, and was to observe a value");
  }

  LayerHost& layer;
  std::mutex mutex;
  std::deque<ashlar_metric> all;
  Padded<ashlar_metrics> table;
};

// ashlar.control/1.
struct LayerHost::Control {
  explicit Control(LayerHost& of) : layer(of), table({0, 0, this, &offer}) {}

  static std::int32_t offer(void* self, const ashlar_verb* verb, void* argument) noexcept {
    auto& c = *static_cast<Control*>(self);
    c.layer.used("control");
    const std::lock_guard guard(c.mutex);
    if (c.over) {
      c.layer.services_.wrong("a verb was offered outside of create");
      return EINVAL;
    }
    if (const char* fault = rules::verb_fault(verb)) {
      c.layer.services_.wrong(std::string("it offered a verb that is none: ") + fault);
      return EINVAL;
    }
    if (std::strchr(verb->help, '\n') != nullptr) c.layer.services_.wrong("the help of a verb has several lines");
    std::vector<Verb>& all = c.layer.verbs_;
    const auto at = std::lower_bound(all.begin(), all.end(), std::string_view(verb->name),
                                     [](const Verb& one, std::string_view name) { return one.name < name; });
    if (at != all.end() && at->name == verb->name) return EEXIST;
    all.insert(at, {verb, argument, *verb, verb->name, verb->help});
    return 0;
  }

  LayerHost& layer;
  std::mutex mutex;
  bool over = false;
  Padded<ashlar_control> table;
};

LayerHost::LayerHost(Services& services)
    : services_(services),
      wait_(std::make_unique<Waits>(*this)),
      blocking_(std::make_unique<Blocking>(*this)),
      metrics_(std::make_unique<Metrics>(*this)),
      control_(std::make_unique<Control>(*this)),
      host_({0, ASHLAR_ABI_MINOR, this, &enabled, &log, &extension}) {}

LayerHost::~LayerHost() = default;

void LayerHost::end_create() {
  const std::lock_guard guard(control_->mutex);
  control_->over = true;
}

std::size_t LayerHost::tickets() const {
  const std::lock_guard guard(wait_->mutex);
  return wait_->open.size();
}

void LayerHost::look() const { host_.look("the module, to which the host was lent,"); }

void LayerHost::used(const char* what) const noexcept {
  if (over_) services_.wrong(std::string("a layer used its host (") + what + ") when it was destroyed");
}

std::int32_t LayerHost::enabled(void* self, std::uint32_t) noexcept {
  static_cast<LayerHost*>(self)->used("log");
  return 1;
}

void LayerHost::log(void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
  constexpr const char* levels[] = {"trace", "debug", "info", "warn", "error"};
  static std::mutex mutex;
  Services& services = static_cast<LayerHost*>(self)->services_;
  static_cast<LayerHost*>(self)->used("log");
  if (level > ASHLAR_LOG_ERROR) return services.wrong("a line of an unknown level was logged");
  if (std::memchr(text, '\n', length) != nullptr) services.wrong("a line with a newline in it was logged");
  if (services.tells_secret({text, length})) services.wrong("a secret was logged");
  const std::lock_guard guard(mutex);
  const Options& options = services.options();
  if (options.verbose)
    std::fprintf(stderr, "%s: %s\n", levels[level],
                 printable(without_secrets(std::string(text, length), options.secrets)).c_str());
}

const void* LayerHost::extension(void* self, const char* id) noexcept {
  const auto& layer = *static_cast<LayerHost*>(self);
  layer.used("extension");
  if (std::strcmp(id, ASHLAR_WAIT_ID) == 0) return layer.wait_->table.get();
  if (std::strcmp(id, ASHLAR_BLOCKING_ID) == 0) return layer.blocking_->table.get();
  if (std::strcmp(id, ASHLAR_METRICS_ID) == 0) return layer.metrics_->table.get();
  if (std::strcmp(id, ASHLAR_CONTROL_ID) == 0) return layer.control_->table.get();
  return nullptr;
}

}  // namespace ashlar::check
