// FileWriter: writes one trace's file. For one thread.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "encode.hpp"
#include "layout.hpp"
#include "segments.hpp"

namespace ashlar::trace {

// A layer that traces, or a client, as the file tells of it: again in each segment that has a record of it.
struct Described {
  TextList texts;
  // FileWriter's.
  std::uint64_t told_in = 0;
  std::uint64_t entry_bytes = 0;  // 0: not known yet
};

// What is in the file must not be lost, so that it cannot be written now.
class MustStay : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};
// Since somebody else writes it.
class BeingWritten : public MustStay {
 public:
  using MustStay::MustStay;
};

class FileWriter {
 public:
  struct Options {
    bool append = false;
    std::uint64_t max_size = 0;  // bytes; 0: no limit; else at least least_max_size
    bool data = false;           // records may have up to 64 MiB of payload
    bool moves = false;          // it will be renamed within its folder
    std::uint64_t run = 0;
    bool continues = false;  // what the run did before is in other files
    // Asked when a write has failed, but not while the writer is made; true: to try it again. None: it is not.
    std::function<bool(int error)> again = {};
  };
  // A file with a limit has so many places for segments. Runs that are appended share one as long as they fit in.
  static constexpr std::uint64_t segments = 8;
  static constexpr std::uint64_t least_max_size = segments * 32 * 1024;

  // Makes the file, mode 0600, or opens it and gives it that mode. What is in it stays as it is until there is
  // something to write; then it goes, unless it is appended to. Throws std::system_error, BeingWritten, and
  // std::invalid_argument when the file there is no trace, or cannot be appended to. A disk that takes nothing is no
  // reason: see error().
  FileWriter(const std::string& path, const Options& options);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // The longest payload that a record can have in such a file.
  static std::uint64_t most_payload(const Options& options);

  // Has what is there give way to this run, or goes on behind it. Not before there is something to write, which has it
  // done, too: a server that cannot start after all leaves what is there. False: it failed, see error(), or the file
  // was moved away while it waited for the disk; it is tried again behind the next flush().
  bool begin();
  // These add to what the next flush() writes; they write themselves when much has come together.
  void record(const RecordEntry& record, std::span<const std::byte> payload, Described& place, Described& client);
  // Tells of a connection, which may never have a record.
  void came(std::uint16_t place, std::uint64_t connection, Described& of_place, Described& of_client);
  void gone(std::uint16_t place, std::uint64_t connection);
  // So many requests have no record. False: there is no room to say so.
  bool lost(std::uint16_t place, std::uint64_t requests);
  // The ring was written out.
  void triggered(std::uint16_t place, std::uint64_t connection, const std::string& why, std::uint64_t id);
  // No more comes, and so many requests have no record of which the file does not tell yet: says so in the file, for
  // which it has room also when the disk is full, and flushes.
  void end(std::uint64_t lost = 0);

  // Writes what has been added. False: that failed, and what was added is lost; see error(). What comes next is tried
  // anew.
  bool flush();
  // What has been added and not written is lost.
  void forget();
  // errno of the last write that failed; 0: none has.
  int error() const { return error_; }
  // How many records could not be written since this was last asked.
  std::uint64_t take_lost() { return std::exchange(lost_, 0); }

  int fd() const { return fd_; }
  // Whether the file is still what stands at its path: somebody may have moved or removed it.
  bool is_in_place() const;
  // Whether what was there has given way to this run, or to its attempts to write.
  bool is_begun() const { return is_begun_; }
  // Whether something of this run is in the file.
  bool is_written() const { return is_begun_ && (has_header_ || closed_at_ != 0); }
  // errno of why others can still read the file that was there; 0: they cannot.
  int why_readable() const { return why_readable_; }

 private:
  void open_existing();
  bool tries_again(int error) const;
  void begin_behind_what_is_there();
  bool go_on_in_last(std::uint64_t size);
  void fill_place();
  void put_header(const SegmentHeader& header);
  void tell(EntryType type, std::uint16_t place, std::uint64_t connection, Described& of);
  bool add_info(EntryType type, std::uint16_t place, std::uint64_t connection, const TextList& texts);
  void begin_segment(std::uint64_t position, std::uint64_t bytes);
  std::uint64_t next_position();
  bool make_room(std::uint64_t size);
  bool make_room_with(std::uint64_t size, Described& place, Described& client);
  bool close_segment(EntryType how);
  void add_end_of_run(std::uint64_t lost);
  bool write_out(std::uint64_t spare);
  int reserve(std::uint64_t until);
  void hide_part();

  const std::string path_;
  const Options options_;
  const std::uint64_t segment_bytes_;
  const int fd_;
  std::vector<SegmentHeader> slots_;  // with a limit: what is where
  std::uint64_t end_of_file_ = 0;     // where a segment behind all others would begin; with a limit: a place for them
  SegmentHeader header_{};            // of the segment that is being written
  bool has_header_ = false;           // it is in the file
  bool reused_ = false;               // behind what has been written stands what was there before
  bool is_made_ = false;              // the constructor is done
  bool is_begun_ = false;             // the file is as this run needs it
  bool begin_failed_ = false;         // since the last flush()
  std::uint64_t telling_ = 0;         // who was told of in this one need not be told of again; differs between files
  std::uint64_t at_ = 0;              // position in the file of what entries_ holds
  std::uint64_t reserved_ = 0;        // so far the disk has given room from at_ on; lower: none is known of
  bool reserves_ = true;              // the file system can
  Entries entries_;
  std::uint64_t held_ = 0;  // records in entries_
  std::uint64_t lost_ = 0;
  int error_ = 0;
  int why_readable_ = 0;
  // The segment before this one: where its last entry stands.
  std::uint64_t closed_at_ = 0;
  std::uint64_t closed_sequence_ = 0;
};

// Why `path` cannot be a trace's file, as far as can be told without changing anything; empty: it can.
std::string unfit(const std::string& path, const FileWriter::Options& options);

}  // namespace ashlar::trace
