// Between: what the layers between two places made of the requests: how many more or fewer, and in what time.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "format/record.hpp"

namespace ashlar::host::traces {

// A place as the report names it, whatever run or file it is of.
struct PlaceName {
  std::string exported, tag;
  friend auto operator<=>(const PlaceName&, const PlaceName&) = default;
};
inline PlaceName name_of(const trace::Place& place) { return {place.exported, place.tag}; }

class Between {
 public:
  // Of the requests of clients, of an op, that came by the upper place.
  struct Sums {
    std::uint64_t upper_requests = 0, upper_bytes = 0;
    std::uint64_t lower_requests = 0, lower_bytes = 0;
    std::uint64_t spared = 0;       // requests of the upper place that went well, and of which nothing came below
    std::uint64_t spared_time = 0;  // of upper_time, in those
    std::uint64_t upper_time = 0, lower_time = 0;  // nanoseconds, in and below each place
    // Requests that are no whole blocks below, so that more bytes came there, and the time that they took in between.
    std::uint64_t grown_requests = 0, grown_time = 0;
    std::uint64_t grown_blocks = 0;  // of those requests, the ones that are whole blocks of 4 KiB all the same
  };
  struct Pair {
    PlaceName upper, lower;
    Sums reads, writes, others;  // what came below is counted where it comes from
  };

  // A place, to which nothing may have come.
  void know(const PlaceName& place);
  // What all places saw of one request.
  void add(const std::vector<trace::Record>& group);
  // Each place of an export with the next one below it, from the client down.
  std::vector<Pair> pairs() const;

 private:
  struct Seen {
    std::uint64_t requests = 0, bytes = 0, time = 0;
    std::uint64_t start = 0, done = 0;
    std::uint64_t reads = 0;
    Op op = Op::read;
    bool well = true;
    bool in_blocks = true;  // all are whole blocks of 4 KiB
  };
  struct Kinds {
    Sums reads, writes, others;
    bool was_asked = false;  // something came, be it of no client's request
  };
  struct Both : Kinds {
    std::uint64_t inside = 0;  // the second one's requests were within the first one's
  };
  static bool has_grown(const Seen& up, const Seen& down);

  std::map<PlaceName, Kinds> places_;  // as upper ones
  std::map<std::pair<PlaceName, PlaceName>, Both> both_;
};

}  // namespace ashlar::host::traces
