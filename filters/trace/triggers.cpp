#include "triggers.hpp"

#include <atomic>
#include <cerrno>
#include <mutex>

namespace ashlar::trace {
namespace {

// A signal is the whole process's, so its handler can reach nothing but what is static: it counts, and each layer that
// hears looks whether the count has changed.
std::atomic<unsigned> signals{0};
static_assert(std::atomic<unsigned>::is_always_lock_free);

// The signal has a handler as long as one layer hears it.
constinit std::mutex ears_mutex;
constinit unsigned ears = 0;

void count_signal(int) { signals.fetch_add(1, std::memory_order_relaxed); }

void set_handler(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR1, &action, nullptr);
}

}  // namespace

SignalEar::SignalEar() : known_(signals.load(std::memory_order_relaxed)) {
  const std::lock_guard<std::mutex> lock(ears_mutex);
  if (ears++ == 0) set_handler(&count_signal);
}

SignalEar::~SignalEar() {
  const std::lock_guard<std::mutex> lock(ears_mutex);
  if (--ears == 0) set_handler(SIG_IGN);
}

bool SignalEar::heard() {
  const unsigned now = signals.load(std::memory_order_relaxed);
  const bool changed = now != known_;
  known_ = now;
  return changed;
}

Triggers::Triggers(const Settings& settings) : settings_(settings) {}

void Triggers::look_at(const RecordEntry& record) {
  const bool refused_as_asked = record.result == ENOTSUP && (record.flags & ASHLAR_FAST) != 0;
  if (settings_.on_error && record.result != 0 && !refused_as_asked) pull("error", record.connection, record.id);
  else if (settings_.slower && record.done > record.start && record.done - record.start > *settings_.slower)
    pull("slower", record.connection, record.id);
}

void Triggers::listen() {
  if (!settings_.on_signal) return;
  if (ear_ == nullptr) ear_ = std::make_unique<SignalEar>();
  if (ear_->heard()) pull("signal");
}

void Triggers::pull(const char* why, std::uint64_t connection, std::uint64_t id) {
  if (pulled_) return;
  pulled_ = true;
  why_ = why;
  connection_ = connection;
  id_ = id;
}

bool Triggers::due(std::uint64_t now) {
  if (!pulled_ || now < not_before_) return false;
  pulled_ = false;
  not_before_ = now + pause;
  return true;
}

}  // namespace ashlar::trace
