// TraceReader: the records of several traces together, in the order in which the requests came. Joiner: what all places
// saw of one client's request.
#pragma once
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ordered_reader.hpp"

namespace ashlar::trace {

class TraceReader {
 public:
  // `paths`: one or more; one that is given twice is read once. `listener` has to live as long as the reader. Of
  // several, one that is no trace, or cannot be read further, is told as a problem, and the others are read. Throws
  // TraceError when all are so, or the only one is.
  TraceReader(const std::vector<std::string>& paths, Listener& listener);

  // The next record, by run and start; false: that was the last one. Throws TraceError.
  bool next(Record& record);
  // Its hashes or bytes; see FileReader::payload().
  void payload(const Record& record, std::vector<std::byte>& into);

  std::size_t files() const { return files_.size(); }
  const FileReader& file(std::size_t number) const { return files_[number]->reader.file(); }
  // Of all files together: `ended` when all are. Complete when all records have been read.
  Completeness completeness() const;

 private:
  struct File {
    File(const std::string& path, Listener& listener) : reader(path, listener) {}
    OrderedReader reader;
    Record head;
    bool has_head = false;
  };
  void open(const std::vector<std::string>& paths);
  void order_runs();
  void take_head(File& file);
  void leave_out(const std::string& problem);

  Listener& listener_;
  const bool is_alone_;
  bool left_out_ = false;
  std::vector<std::unique_ptr<File>> files_;
  bool begun_ = false;
};

// Puts the records of a reader together by run, connection and id.
class Joiner {
 public:
  // When so many requests are waited for, the one that is due first is given, although more of it could come: else a
  // trace that does not know when replies left would take as much memory as there are requests in a second.
  static constexpr std::size_t most_open = 1 << 17;

  // `each`: is called for each record, in the order in which the requests came.
  explicit Joiner(TraceReader& reader, std::function<void(const Record&)> each = {})
      : reader_(reader), each_(std::move(each)) {}

  // The records of the next request, in the order in which they came; false: that was the last one. One that was of no
  // client's request is alone. Groups come nearly in the order in which the requests were finished. Throws TraceError.
  bool next(std::vector<Record>& group);

 private:
  struct Name {
    std::uint64_t run, connection, id;
    bool operator==(const Name&) const = default;
  };
  struct HashOfName {
    std::size_t operator()(const Name& name) const {
      return static_cast<std::size_t>((name.id * 0x9e3779b97f4a7c15 ^ name.connection) * 0xff51afd7ed558ccd ^ name.run);
    }
  };
  struct Open {
    std::uint64_t until = 0;  // no record of the request starts later; nanoseconds
    std::vector<Record> records;
  };
  struct Due {
    std::uint64_t until;
    Name name;
    bool operator<(const Due& other) const { return until > other.until; }  // the earliest one is on top
  };
  bool take_due(std::vector<Record>& group, bool all);
  void add(const Record& record);

  TraceReader& reader_;
  const std::function<void(const Record&)> each_;
  std::unordered_map<Name, Open, HashOfName> open_;
  std::priority_queue<Due> due_;
  std::uint64_t run_ = 0;
  std::uint64_t now_ = 0;  // start of the last record
  bool has_next_ = false;
  bool at_end_ = false;
  Record next_;
};

}  // namespace ashlar::trace
