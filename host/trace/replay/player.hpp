// Player: asks a server again what a trace has, in its time or in its order.
#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trace/histogram.hpp"
#include "trace/one_place.hpp"
#include "trace/progress.hpp"
#include "trace/replay/connection.hpp"
#include "trace/replay/judge.hpp"

namespace ashlar::host::traces {

struct Pace {
  std::optional<double> speed;  // of the trace's time; none: as fast as possible
  bool keep_order = false;
};

// Of one op, then and now.
struct ThenAndNow {
  std::uint64_t errors_then = 0, errors_now = 0;
  Histogram then, now;  // nanoseconds
};

class Player {
 public:
  static constexpr std::size_t most_under_way = 128;
  static constexpr std::uint64_t most_bytes_under_way = 64 << 20;

  // All have to live as long as this. `judge`: null: what is read is not looked at.
  Player(OnePlace& requests, const std::vector<std::unique_ptr<Connection>>& connections, const Pace& pace,
         const OtherBytes& other, Judge* judge, Progress& progress);

  // Throws Interrupted, trace::TraceError, and ConnectionLost, which names the oldest request under way.
  void run();

  const std::array<ThenAndNow, 7>& by_op() const { return by_op_; }
  std::uint64_t asked() const { return asked_; }
  std::uint64_t took() const { return ended_ - begun_; }  // nanoseconds
  // What the requests that were asked again had taken, from the first to the last one of each run.
  std::uint64_t took_then() const { return took_then_; }
  std::uint64_t late() const { return late_; }      // requests that came 1 ms too late, or more
  std::uint64_t failed() const { return failed_; }  // that went well then
  const std::optional<Again>& first_failed() const { return first_failed_; }
  // What could not be asked, or not as it was, and how often.
  const std::map<std::string, std::uint64_t>& left_out() const { return left_out_; }

 private:
  void ask_all();
  bool can_ask(trace::Record& record);
  std::optional<std::uint64_t> wait_for_time(const trace::Record& record);
  bool has_to_wait(const trace::Record& record) const;
  void begin(const trace::Record& record);
  Connection& connection_of(const trace::Record& record);
  void go_on(std::uint64_t until);
  void finish(Again& again);

  OnePlace& requests_;
  const std::vector<std::unique_ptr<Connection>>& connections_;
  const Offers& offers_;
  const Pace pace_;
  const OtherBytes other_;
  Judge* const judge_;
  Progress& progress_;
  std::list<Again> under_way_;
  std::uint64_t bytes_under_way_ = 0;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> numbers_;   // of connections_, by run and connection
  std::uint64_t run_ = 0, first_start_ = 0, last_done_ = 0, run_begun_ = 0;  // of the run that is asked again
  std::uint64_t begun_ = 0, ended_ = 0, took_then_ = 0;
  std::uint64_t runs_before_ = 0;  // of took_then_, what the runs before this one took
  std::uint64_t asked_ = 0, late_ = 0, failed_ = 0;
  std::optional<Again> first_failed_;
  std::array<ThenAndNow, 7> by_op_;
  std::map<std::string, std::uint64_t> left_out_;
  std::vector<std::byte> payload_;
};

}  // namespace ashlar::host::traces
