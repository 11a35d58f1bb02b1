// Rules: which requests of an export are hit by which faults; changed while requests run.
#pragma once
#include <ashlar/io.hpp>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "chance.hpp"
#include "gate.hpp"
#include "rule_text.hpp"

namespace ashlar::fault {

struct Rule {
  Rule(std::uint64_t n, RuleText of, const Wait& wait) : number(n), what(std::move(of)), hang(wait, true) {}

  bool concerns(const Io& io) const {
    if (!what.ops.has(io.op())) return false;
    return what.whole_disk() || (io.offset() < what.end && io.end() > what.begin);
  }

  const std::uint64_t number;  // by which the operator names it
  const RuleText what;
  Gate hang;  // shut until the rule is removed: what hangs waits before it
  std::atomic<std::uint64_t> matches{0}, hits{0};
};

// A rule that hits a request, and the numbers that its fault is made with.
struct Hit {
  std::shared_ptr<Rule> rule;
  Chance chance;
};

class Rules {
 public:
  Rules(std::uint64_t seed, const Wait& wait) : seed_(seed), wait_(wait) {}

  // Adds it as the last. Returns its number. Throws std::invalid_argument, see RuleText::parse(). [any thread]
  std::uint64_t add(std::string_view text);
  // What hangs because of it goes on. False: there is none of that number. [any thread]
  bool remove(std::uint64_t number);
  // A line for each, with what it has counted. [any thread]
  std::string list() const;

  // Whether a rule may hit the request. Counts nothing. [any thread]
  bool concern(const Io& io) const;
  // Those that hit it: each rule that concerns it counts it. Throws std::bad_alloc. [any thread]
  std::vector<Hit> hits(const Io& io) const;

 private:
  using All = std::vector<std::shared_ptr<Rule>>;
  std::shared_ptr<const All> all() const {
    const std::lock_guard guard(mutex_);
    return all_;
  }
  void set(std::shared_ptr<const All> all);  // with the mutex held

  const std::uint64_t seed_;
  const Wait wait_;
  mutable std::mutex mutex_;
  std::shared_ptr<const All> all_ = std::make_shared<All>();
  std::uint64_t last_number_ = 0;
  std::atomic<std::uint64_t> ops_{0};  // those that a rule is for: all others cost one look at it
};

}  // namespace ashlar::fault
