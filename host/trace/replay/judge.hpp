// Judge: whether a replay read what was read then, as far as that can be known: a read that overlapped a write under
// way may have had either, and what was trimmed, or written without being in the trace, has no known bytes.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "trace/one_place.hpp"
#include "trace/replay/connection.hpp"

namespace ashlar::host::traces {

// Bytes of the disk of which it is not known what they have to be.
class Unknown {
 public:
  void add(std::uint64_t begin, std::uint64_t end);
  void remove(std::uint64_t begin, std::uint64_t end);
  bool overlaps(std::uint64_t begin, std::uint64_t end) const;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin and end; they do not touch
};

class Judge {
 public:
  struct Difference {
    trace::Record record;
    std::uint64_t number = 0;  // of Again
    std::uint64_t offset = 0;  // of the disk: the first byte, or the block of 4 KiB by the hashes, that differs
    bool by_hash = false;
  };

  // Has to be told of each request of the trace, in the trace's order, before it is asked again; `is_asked` false: it
  // is left out. Of requests that overlap, one is asked when the other is finished if it was so then.
  void begin(const trace::Record& record, std::uint64_t number, bool is_asked);
  // A request that was asked has been answered. Of a read, `then` are the hashes or bytes of the trace.
  void finished(const Again& again, const std::vector<std::byte>& then);
  // No more comes.
  void end();

  const std::optional<Difference>& first() const { return first_; }
  std::uint64_t same() const { return same_; }
  std::uint64_t different() const { return different_; }
  std::uint64_t overlapped() const { return overlapped_; }
  std::uint64_t unknown() const { return unknown_reads_; }

 private:
  // A read whose verdict waits for all requests that came while it was under way.
  struct Waiting {
    trace::Record record;
    std::uint64_t number = 0;
    bool finished = false, overlapped = false, unknown = false, failed = false;
    std::optional<Difference> difference;
  };
  void change(const trace::Record& record, bool is_asked);
  void decide(std::uint64_t time);

  Unknown unknown_;
  std::uint64_t run_ = 0;
  std::vector<trace::Record> changes_;  // under way then
  std::list<Waiting> waiting_;          // by start
  std::optional<Difference> first_;
  std::uint64_t same_ = 0, different_ = 0, overlapped_ = 0, unknown_reads_ = 0;
};

}  // namespace ashlar::host::traces
