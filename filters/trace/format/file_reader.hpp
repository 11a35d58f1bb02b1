// FileReader: the records of one trace's file, in the order in which they were finished. Streams: what it keeps does
// not grow with the file, but for places and for a few words of each connection.
#pragma once
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "record.hpp"
#include "segments.hpp"

namespace ashlar::trace {

class FileReader {
 public:
  // Throws TraceError when the file cannot be opened, is empty, or no segment of a trace is in it. `listener` has to
  // live as long as the reader.
  FileReader(const std::string& path, Listener& listener);
  // Reads the same trace from its beginning, wherever its file stands now, and whatever has become of it. Throws
  // TraceError.
  FileReader(const FileReader& other, Listener& listener);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  // The next record; false: there is none now. When a server writes the file, a later call may find more; only then is
  // a call behind the end of use. Throws TraceError when the file cannot be read.
  bool next(Record& record);

  // Skips what stands before the last segment that was there when the reader was made. Before next().
  void go_to_last_segment() { current_ = segments_.found.size() - 1; }

  // Whether a server has the file open to write to it. When none has, its lock is taken for a moment, in which none
  // could begin to: for those who end then.
  bool is_being_written() const;

  // Whether the file still stands at its path, where it may have been renamed, or removed.
  bool is_at_path() const;
  // Whether what was there when the reader was made is gone, as somebody has begun the file anew.
  bool is_begun_anew() const;

  // The hashes or bytes of a record of this reader: as many as payload_bytes() says. Throws TraceError when they are no
  // longer there, as the segment was written over.
  void payload(const Record& record, std::vector<std::byte>& into);

  // By sequence: those that have been found.
  const std::vector<SegmentHeader>& segments() const { return segments_.found; }
  const std::string& path() const { return path_; }
  const std::deque<Place>& places() const { return places_; }  // met so far
  // The same one of places(), of which it becomes one.
  const Place* known(const Place& place);
  const Completeness& completeness() const { return completeness_; }

 private:
  FileReader(const std::string& path, int fd, Listener& listener);
  void find_segments();
  bool enter(std::size_t segment);
  bool leave();
  bool find_newer();
  void note_gap(const SegmentHeader& before, const SegmentHeader& here);
  // `head` is the whole of it, or of a long one its first bytes. None: `size` is 0.
  struct Entry {
    std::span<const std::byte> head;
    std::uint64_t size = 0;
  };
  Entry entry();
  const char* look(Entry& found);
  bool check_fits(const Entry& entry);
  bool fill(std::uint64_t bytes);
  void broken(const std::string& what);
  bool read_next(Record& record);
  bool take(const Entry& entry, Record& record);
  bool take_record(const Entry& entry, Record& record);
  void take_info(std::span<const std::byte> entry);
  void take_place(const InfoEntry& info, const Texts& texts);
  void take_client(const InfoEntry& info, Texts texts);
  const Place* place_of(std::uint16_t number) const;
  const SegmentHeader& here() const { return segments_.found[current_]; }
  void problem(std::uint64_t offset, const std::string& text);
  void overtaken(std::uint64_t segments, std::uint64_t offset, const std::string& text);
  bool is_written_over() const;
  [[noreturn]] void fail(std::uint64_t offset, const std::string& text) const;
  [[noreturn]] void fail_for_memory(std::uint64_t offset) const;

  const std::string path_;
  Listener& listener_;
  const int fd_;
  Segments segments_;
  std::size_t current_ = 0;        // segment
  bool inside_ = false;            // it has been entered and not left
  std::uint64_t at_ = 0;           // position of the next entry in the file
  std::vector<std::byte> buffer_;  // what was read from buffer_at_ on
  std::uint64_t buffer_at_ = 0;
  bool is_gone_ = false;                               // the segment is another one since the buffer was read
  std::map<std::uint16_t, const Place*> numbered_;     // in this segment
  std::map<std::uint64_t, std::int64_t> to_realtime_;  // of each run
  std::deque<Place> places_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> told_clients_;  // run and connection
  std::set<std::pair<std::uint64_t, std::string>> told_problems_;
  Completeness completeness_;
};

}  // namespace ashlar::trace
