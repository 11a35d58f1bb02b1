#include "services.hpp"

#include <time.h>

#include <ashlar/rules/name.hpp>
#include <ashlar/rules/text.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>

#include "held.hpp"

namespace ashlar::check {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

}  // namespace
}  // namespace ashlar::check

struct ashlar_ticket {
  std::mutex mutex;
  std::condition_variable ready;
  bool done = false, hooked = false;
  std::int64_t result = 0;
};

struct ashlar_metric {
  std::string name;
  std::uint32_t kind;
  void* of;  // who made it
};

namespace ashlar::check {

// ashlar.wait/1, by blocking the thread.
struct Services::Waits {
  explicit Waits(Services& of)
      : services(of), table({0, 0, this, &begin, &done, &wait, &sleep_until, &cancelled, &on_cancel}) {}

  static ashlar_ticket* begin(void* self) noexcept {
    auto& w = *static_cast<Waits*>(self);
    auto* ticket = new (std::nothrow) ashlar_ticket;
    if (ticket == nullptr) return nullptr;
    const std::lock_guard guard(w.services.mutex_);
    w.open.insert(ticket);
    return ticket;
  }
  static void done(void* self, ashlar_ticket* ticket, std::int64_t result) noexcept {
    auto& w = *static_cast<Waits*>(self);
    {
      const std::lock_guard guard(w.services.mutex_);
      if (!w.open.contains(ticket)) return w.services.wrong("done was called with a ticket that is gone");
    }
    const std::lock_guard guard(ticket->mutex);
    if (ticket->done) return w.services.wrong_alone("done was called twice for a ticket");
    ticket->done = true;
    ticket->result = result;
    ticket->ready.notify_all();
  }
  static std::int64_t wait(void* self, ashlar_ticket* ticket) noexcept {
    auto& w = *static_cast<Waits*>(self);
    w.begin_waiting();
    std::int64_t result = 0;
    {
      std::unique_lock lock(ticket->mutex);
      ticket->ready.wait(lock, [&] { return ticket->done; });
      result = ticket->result;
    }
    const std::lock_guard guard(w.services.mutex_);
    w.open.erase(ticket);
    delete ticket;
    return result;
  }
  static void sleep_until(void* self, std::uint64_t nanoseconds) noexcept {
    static_cast<Waits*>(self)->begin_waiting();
    const timespec end{static_cast<time_t>(nanoseconds / second), static_cast<long>(nanoseconds % second)};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr) == EINTR) {
    }
  }
  void begin_waiting() {
    ++services.waits_;
    if (locks_held() != 0) services.wrong_alone("it waits while it holds a lock");
  }
  static std::int32_t cancelled(void*) noexcept { return 0; }
  static void on_cancel(void* self, ashlar_ticket* ticket, void (*)(void*) noexcept, void*) noexcept {
    auto& w = *static_cast<Waits*>(self);
    const std::lock_guard guard(ticket->mutex);
    if (ticket->hooked) w.services.wrong_alone("on_cancel was called twice for a ticket");
    ticket->hooked = true;
  }

  Services& services;
  std::set<ashlar_ticket*> open;
  Padded<ashlar_wait> table;
};

// ashlar.metrics/1, which forgets the figures.
struct Services::Metrics {
  explicit Metrics(Services& of) : services(of), table({0, 0, this, &make, &add, &set, &observe}) {}

  static ashlar_metric* make(void* self, std::uint32_t kind, const char* name, const char*, const double* bounds,
                             std::size_t n_bounds) noexcept {
    auto& m = *static_cast<Metrics*>(self);
    const std::lock_guard guard(m.mutex);
    if (const char* fault = rules::metric_fault(kind, name, bounds, n_bounds)) return m.wrong(name, fault);
    for (ashlar_metric& one : m.all)
      if (one.name == name) return one.kind == kind ? &one : m.wrong(name, "its name stands for another kind");
    return &m.all.emplace_back(ashlar_metric{name, kind, &m});
  }
  ashlar_metric* wrong(const char* name, const char* fault) {
    services.wrong_alone("it made the metric " + rules::in_quotes(name != nullptr ? name : "") + ": " + fault);
    return nullptr;
  }
  static void use(ashlar_metric* metric, bool right, const char* how) {
    if (!right) static_cast<Metrics*>(metric->of)->services.wrong_alone("the metric " + metric->name + " " + how);
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

  Services& services;
  std::mutex mutex;
  std::deque<ashlar_metric> all;
  Padded<ashlar_metrics> table;
};

// ashlar.control/1, which keeps the names of the layer that is created.
struct Services::Control {
  explicit Control(Services& of) : services(of), table({0, 0, this, &offer}) {}

  static std::int32_t offer(void* self, const ashlar_verb* verb, void*) noexcept {
    auto& c = *static_cast<Control*>(self);
    const std::lock_guard guard(c.services.mutex_);
    if (!c.in_create) c.services.wrong("a verb was offered outside of create");
    if (const char* fault = rules::verb_fault(verb)) {
      c.services.wrong(std::string("it offered a verb that is none: ") + fault);
      return EINVAL;
    }
    return c.names.insert(verb->name).second ? 0 : EEXIST;
  }

  Services& services;
  bool in_create = false;
  std::set<std::string> names;
  Padded<ashlar_control> table;
};

Services::Services(bool verbose)
    : verbose_(verbose),
      wait_(std::make_unique<Waits>(*this)),
      metrics_(std::make_unique<Metrics>(*this)),
      control_(std::make_unique<Control>(*this)),
      host_({0, ASHLAR_ABI_MINOR, this, &enabled, &log, &extension}),
      disconnect_({0, 0, nullptr, [](void*) noexcept {}}),
      reopen_({0, 0, nullptr, [](void*) noexcept -> std::uint64_t { return 1; },
               [](void*, std::uint64_t, ashlar_error*) noexcept -> std::int32_t { return EIO; }}) {}

Services::~Services() = default;

void Services::log(void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
  constexpr const char* levels[] = {"trace", "debug", "info", "warn", "error"};
  auto& services = *static_cast<Services*>(self);
  const std::lock_guard guard(services.mutex_);
  if (level > ASHLAR_LOG_ERROR) return services.wrong("a line of an unknown level was logged");
  if (std::memchr(text, '\n', length) != nullptr) services.wrong("a line with a newline in it was logged");
  if (services.verbose_) std::fprintf(stderr, "%s: %.*s\n", levels[level], static_cast<int>(length), text);
}

const void* Services::extension(void* self, const char* id) noexcept {
  const auto& services = *static_cast<Services*>(self);
  if (std::strcmp(id, ASHLAR_WAIT_ID) == 0) return services.wait_->table.get();
  if (std::strcmp(id, ASHLAR_METRICS_ID) == 0) return services.metrics_->table.get();
  if (std::strcmp(id, ASHLAR_CONTROL_ID) == 0) return services.control_->table.get();
  return nullptr;
}

const void* Services::of_connection(const char* id) {
  if (std::strcmp(id, ASHLAR_DISCONNECT_ID) == 0) return disconnect_.get();
  if (std::strcmp(id, ASHLAR_REOPEN_ID) == 0) return reopen_.get();
  return nullptr;
}

void Services::begin_create() {
  const std::lock_guard guard(mutex_);
  control_->in_create = true;
  control_->names.clear();
}

void Services::end_create() {
  const std::lock_guard guard(mutex_);
  control_->in_create = false;
}

std::size_t Services::tickets() const {
  const std::lock_guard guard(mutex_);
  return wait_->open.size();
}

std::string Services::fault() const {
  const std::lock_guard guard(mutex_);
  return fault_;
}

void Services::look() const {
  host_.look("the module, to which the host was lent,");
  if (const std::string text = fault(); !text.empty()) throw Broken{text};
}

void Services::wrong_alone(const std::string& what) {
  const std::lock_guard guard(mutex_);
  wrong(what);
}

// The mutex is held.
void Services::wrong(const std::string& what) {
  if (fault_.empty()) fault_ = what;
}

}  // namespace ashlar::check
