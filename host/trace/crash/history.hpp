// History: what a trace did to a disk, and what of it could have been lost at each moment. A write that was answered is
// safe when a flush that came behind its answer was answered, or when it had FUA.
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

#include "trace/one_place.hpp"

namespace ashlar::host::traces {

// Bytes of the disk, the end excluded.
struct Range {
  std::uint64_t begin = 0, end = 0;
};

// A write, trim or zero.
struct Change {
  trace::Record record;
  // What of it the disk may have; other bytes were made durable by a later request.
  std::vector<Range> left;
};

class History {
 public:
  class Visitor {
   public:
    virtual ~Visitor() = default;
    // A flush or a request with FUA is about to be answered; nullptr: the trace is about to end.
    virtual void before(const trace::Record* cause) = 0;
    // The change cannot be lost any more. In the order in which they overwrite each other.
    virtual void durable(const Change& change) = 0;
    // The flush or request with FUA was answered.
    virtual void after(const trace::Record& cause) = 0;
  };

  // Both have to live as long as this.
  History(OnePlace& requests, Visitor& visitor) : requests_(requests), visitor_(visitor) {}

  // Reads all requests. Throws trace::TraceError and what the visitor throws.
  void run();

  // For the visitor: what may be lost, in the order in which the disk was asked: what was answered first, then what is
  // under way.
  std::vector<const Change*> at_risk() const;
  // The last requests that change something, or make it durable, the oldest first.
  const std::deque<trace::Record>& recent() const { return recent_; }

 private:
  static constexpr std::size_t most_recent = 20;

  void begin(const trace::Record& record);
  void finish_until(std::uint64_t time);
  void finish(const Change& change);
  void flush(const trace::Record& flush);
  void make_durable(const Change& change, std::size_t older);

  OnePlace& requests_;
  Visitor& visitor_;
  std::uint64_t run_ = 0;
  std::vector<Change> under_way_;  // by start
  std::vector<Change> answered_;   // by done
  std::deque<trace::Record> recent_;
};

}  // namespace ashlar::host::traces
