// FakeHost: host services for tests of a module; collects what it logs.
#pragma once
#include <ashlar/host.hpp>
#include <ashlar/testing/fake_blocking.hpp>
#include <ashlar/testing/fake_control.hpp>
#include <ashlar/testing/fake_metrics.hpp>
#include <ashlar/testing/fake_wait.hpp>
#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::testing {

// Safe for all threads. Keeps its address; must outlive the layers it is given to.
class FakeHost {
 public:
  struct Line {
    Level level;
    std::string text;
  };

  // `least`: lines below this level are off.
  explicit FakeHost(Level least = Level::trace) : least_(least) {}
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const ashlar_host* services() const { return &services_; }

  std::vector<Line> lines() const {
    const std::lock_guard guard(mutex_);
    return lines_;
  }
  // Whether a line holds `text`.
  bool said(const std::string& text) const {
    const std::lock_guard guard(mutex_);
    for (const Line& line : lines_)
      if (line.text.find(text) != std::string::npos) return true;
    return false;
  }
  // The service ashlar.wait/1 that the layers have.
  FakeWait& wait() { return wait_; }
  // The service ashlar.blocking/1 that the layers have.
  const FakeBlocking& blocking() const { return blocking_; }
  // The metrics and the verbs of the layers.
  const FakeMetrics& metrics() const { return metrics_; }
  const FakeControl& control() const { return control_; }
  // How often a module has asked whether a level is on.
  int asked() const { return asked_; }
  void clear() {
    const std::lock_guard guard(mutex_);
    lines_.clear();
  }

 private:
  static std::int32_t enabled(void* self, std::uint32_t level) noexcept {
    auto& host = *static_cast<FakeHost*>(self);
    ++host.asked_;
    return level >= static_cast<std::uint32_t>(host.least_);
  }
  static const void* extension(void* self, const char* id) noexcept {
    const auto& host = *static_cast<const FakeHost*>(self);
    const std::string_view asked(id);
    if (asked == ASHLAR_WAIT_ID) return host.wait_.services();
    if (asked == ASHLAR_BLOCKING_ID) return host.blocking_.services();
    if (asked == ASHLAR_METRICS_ID) return host.metrics_.services();
    if (asked == ASHLAR_CONTROL_ID) return host.control_.services();
    return nullptr;
  }
  static void log(void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
    auto& host = *static_cast<FakeHost*>(self);
    const std::lock_guard guard(host.mutex_);
    host.lines_.push_back({static_cast<Level>(level), std::string(text, length)});
  }

  FakeWait wait_;
  FakeBlocking blocking_;
  FakeMetrics metrics_;
  FakeControl control_;
  const Level least_;
  std::atomic<int> asked_{0};
  mutable std::mutex mutex_;
  std::vector<Line> lines_;
  const ashlar_host services_{sizeof(ashlar_host), ASHLAR_ABI_MINOR, this, &enabled, &log, &extension};
};

}  // namespace ashlar::testing
