// Judge: whether a replay read what was read then, as far as that can be known: a read that overlapped a write under
// way may have had either, and what was trimmed has no known bytes. Where the trace does not have what was written, the
// replay has to read what it wrote instead.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "trace/one_place.hpp"
#include "trace/replay/connection.hpp"
#include "trace/replay/other_bytes.hpp"

namespace ashlar::host::traces {

// Where the disk is not as the trace tells.
class Changed {
 public:
  struct Part {
    std::uint64_t begin = 0, end = 0;
    // The request of the replay that wrote OtherBytes there; none: it is not known what is there.
    std::optional<std::uint64_t> writer;
  };
  void add(const Part& part);
  // From now on the disk is as the trace tells there.
  void remove(std::uint64_t begin, std::uint64_t end);
  // By begin, cut to the range.
  std::vector<Part> within(std::uint64_t begin, std::uint64_t end) const;

 private:
  std::map<std::uint64_t, Part> parts_;  // by begin; they do not overlap
};

class Judge {
 public:
  struct Difference {
    trace::Record record;
    std::uint64_t number = 0;  // of Again
    std::uint64_t offset = 0;  // of the disk: the first byte, or the block of 4 KiB by the hashes, that differs
    bool by_hash = false;
    bool is_own = false;  // it is not what the replay wrote there
  };

  explicit Judge(const OtherBytes& other = OtherBytes()) : other_(other) {}

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
    std::vector<Changed::Part> own;  // all that the replay wrote
    std::optional<Difference> difference;
  };
  void change(const trace::Record& record, std::uint64_t number, bool is_asked);
  void compare(Waiting& read, const Again& now, const std::vector<std::byte>& then) const;
  void decide(std::uint64_t time);

  const OtherBytes other_;
  Changed changed_;
  std::uint64_t run_ = 0;
  std::vector<trace::Record> changes_;  // under way then
  std::list<Waiting> waiting_;          // by start
  std::optional<Difference> first_;
  std::uint64_t same_ = 0, different_ = 0, overlapped_ = 0, unknown_reads_ = 0;
};

}  // namespace ashlar::host::traces
