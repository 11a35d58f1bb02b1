// OrderedReader: the records of one trace's file, in the order in which the requests came. What it keeps does not grow
// with the file: records stand there nearly in order, as they were finished, so a window is enough to sort them. The
// few that are further away, of requests that took very long, are found by reading a long file twice.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <tuple>
#include <vector>

#include "file_reader.hpp"

namespace ashlar::trace {

// The place of each run among all.
using RunOrder = std::map<std::uint64_t, std::uint64_t>;

class OrderedReader {
 public:
  static constexpr std::size_t usual_window = 1 << 17;

  // `runs`: of at least those of the file when it was opened; what comes later is taken for the newest. As
  // FileReader().
  OrderedReader(const std::string& path, Listener& listener, std::size_t window = usual_window);
  void set_runs(const RunOrder& runs) { runs_ = runs; }

  // The next record; false: that was the last one. What is written meanwhile is read, too, but not waited for. Throws
  // TraceError.
  bool next(Record& record);

  // What orders records: their run, then their start.
  using Key = std::tuple<std::uint64_t, std::uint64_t>;
  Key key_of(const Record& record) const;

  FileReader& file() { return file_; }
  const FileReader& file() const { return file_; }

 private:
  struct Later {
    bool operator()(const std::pair<Key, Record>& a, const std::pair<Key, Record>& b) const {
      return std::tie(a.first, a.second.position) > std::tie(b.first, b.second.position);
    }
  };
  using Heap = std::priority_queue<std::pair<Key, Record>, std::vector<std::pair<Key, Record>>, Later>;
  // Reads the same file, and looks for no stragglers.
  OrderedReader(const OrderedReader& other, Listener& listener);
  void begin();
  void find_stragglers();
  bool next_of_window(Record& record);

  Listener& listener_;
  FileReader file_;
  const std::size_t window_;
  RunOrder runs_;
  bool begun_ = false;
  bool at_end_ = false;
  Heap heap_;
  Key given_{};                     // of the last record that the window gave
  std::vector<Record> stragglers_;  // by key, the last one first
};

}  // namespace ashlar::trace
