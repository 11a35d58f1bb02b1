// PowerCuts: goes through a history, and makes and checks the disk as power cuts could have left it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "trace/crash/check.hpp"
#include "trace/crash/history.hpp"
#include "trace/crash/scratch.hpp"
#include "trace/progress.hpp"

namespace ashlar::host::traces {

// Which states of the disk are checked. State 0 is the disk before the first request.
struct Points {
  bool subsets = false;                // also with some of what could have been lost
  std::optional<std::uint64_t> fewer;  // so many of them all, chosen by the seed
  std::uint64_t seed = 1;
  std::uint64_t from = 0;  // the first state that is checked
};

// What of a change had reached the disk.
enum class Fate : std::uint8_t { lost, torn, kept };

struct BadState {
  std::uint64_t number = 0;
  std::optional<trace::Record> cause;   // none: the trace's beginning or end
  bool answered = false;                // the cut was behind its answer
  std::map<std::uint64_t, Fate> fates;  // by the record's position in the file; others are durable
  std::vector<trace::Record> recent;
  Checked checked;
};

// Gives each state its number, in the same order each time.
class States : public History::Visitor {
 public:
  static constexpr std::uint64_t subsets_at_each = 3;

  explicit States(const Points& points) : points_(points) {}
  void before(const trace::Record* cause) override;
  void durable(const Change&) override {}
  void after(const trace::Record& cause) override;

  std::uint64_t moments() const { return moments_; }  // flushes and requests with FUA
  std::uint64_t count() const { return next_; }       // states, with the one before the first request

 protected:
  virtual void state(std::uint64_t number, const trace::Record* cause, bool answered) {
    static_cast<void>(number), static_cast<void>(cause), static_cast<void>(answered);
  }
  const Points& points_;

 private:
  std::uint64_t moments_ = 0;
  std::uint64_t next_ = 1;
};

class PowerCuts final : public States {
 public:
  // `count`: of all states. All have to live as long as this.
  PowerCuts(OnePlace& requests, Scratch& scratch, const std::string& command, const Points& points, std::uint64_t count,
            Progress& progress);

  // Up to the first bad state. Throws Interrupted, UsageError, trace::TraceError, std::runtime_error.
  std::optional<BadState> run();
  // Copies the disk of the bad state to `path`, which must not be there, as it was before the check had it. Behind
  // run(). Throws std::system_error, std::runtime_error.
  void keep(const BadState& bad, const std::string& path);
  std::uint64_t checked() const { return checked_; }

 private:
  struct Found {};

  void durable(const Change& change) override;
  void state(std::uint64_t number, const trace::Record* cause, bool answered) override;
  bool is_wanted(std::uint64_t number);
  void lay_at_random(std::uint64_t number);
  void lay(const Change& change, std::mt19937_64& random);
  void put(const Change& change, Range range);
  std::span<const std::byte> bytes_of(const Change& change, Range range);
  void look(std::uint64_t number, const trace::Record* cause, bool answered);

  OnePlace& requests_;
  Scratch& scratch_;
  const std::string& command_;
  Progress& progress_;
  History history_;
  std::mt19937_64 choice_;
  std::uint64_t states_left_, wanted_left_;
  std::uint64_t checked_ = 0;
  std::map<std::uint64_t, Fate> fates_;
  std::vector<std::byte> payload_;
  std::uint64_t payload_of_ = UINT64_MAX;  // the record's position in the file
  std::optional<BadState> bad_;
};

}  // namespace ashlar::host::traces
