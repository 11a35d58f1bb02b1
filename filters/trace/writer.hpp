// Writer: the thread of one layer that writes its trace. Nobody waits for it.
#pragma once
#include <ashlar/host.hpp>
#include <ashlar/metrics.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "format/file_writer.hpp"
#include "settings.hpp"
#include "tap.hpp"
#include "triggers.hpp"

namespace ashlar::trace {

class Writer {
 public:
  // Throws std::system_error. `settings` and `host` have to live as long as the writer.
  Writer(const Settings& settings, const Host& host);
  // Writes what has come, and ends the file.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Makes the file, and begins. What is there stays as it is until a client comes. Throws BadParameter when the file
  // cannot be made; while somebody else writes it, it is tried again and again. Once, before open(). [control]
  void begin();
  // A connection whose requests are to be written. Throws. [control]
  std::shared_ptr<Tap> open(const TextList& place, std::uint64_t connection, const TextList& client);
  // Nothing more comes of it. [control]
  void close(Tap& tap) noexcept;

  // Has what is in the rings taken out now. [any thread]
  void wake() noexcept;
  // Has the ring written to the next file, and says what has come of it. Throws std::runtime_error when nothing could.
  // Waits for the thread that writes, but not for long. [control]
  std::string dump();

 private:
  using Taps = std::vector<std::shared_ptr<Tap>>;

  void start_thread();
  void run() noexcept;
  void record_until_stopped();
  void give_up() noexcept;
  bool discard() noexcept;
  bool discard(Tap& tap) noexcept;
  void limit_what_is_left() noexcept;
  bool leave_moved_file();
  bool turn(bool last);
  void pause() const;
  void begin_to_stop();
  std::uint64_t patience();
  void end_last_wait();
  bool holds(std::uint64_t now) const;
  // Whether something of this run is in the file.
  bool has_begun() const { return file_ != nullptr && file_->is_written(); }
  void make_file();
  void open_file(std::uint64_t now);
  bool drain(Tap& tap);
  void take_done(Tap& tap, const Ring::Event& event);
  void give_up_some(Tap& tap);
  void write(Tap& tap, RecordEntry record, std::span<const std::byte> payload);
  void finish(Tap& tap);
  void forget(Taps finished);
  void count_lost(std::uint64_t requests);
  void flush();
  bool try_again(int error);
  bool waits(int error);
  bool not_made(int error);
  void say(int error, const char* meanwhile = "requests are not recorded until that is over");
  void say_over();
  void end();
  bool write_ring_out();
  std::uint64_t dumps_asked();
  void pull_for_dumps(std::uint64_t asked);
  void answer_dump(std::uint64_t asked, std::uint64_t now, bool was_empty, bool moved);
  void note_trigger();
  bool keep_what_was_before();
  bool drop_trigger_of_empty_ring();
  bool move_ring();
  std::string move_away() const;

  const Settings& settings_;
  const Host& host_;
  const std::uint64_t run_;
  const int wake_fd_;  // an eventfd
  const Counter written_, dropped_;
  std::atomic<bool> stop_{false};

  std::mutex mutex_;  // of what follows
  Taps taps_;
  std::map<TextList, std::uint16_t> place_numbers_;
  std::vector<std::unique_ptr<Described>> places_;  // by number; what is in them is the thread's
  std::condition_variable left_;                    // connections have been taken out of taps_
  bool held_ = false;                               // what comes stays in the rings, see held_until_
  std::uint64_t dumps_asked_ = 0, dumps_answered_ = 0;
  std::string dump_answer_, dump_error_;  // of the last one; the error is empty when it went well
  std::condition_variable answered_;
  bool gave_up_ = false;  // nothing is recorded any more; the thread alone sets it
  std::thread thread_;

  // The thread's own.
  std::unique_ptr<FileWriter> file_;
  std::uint64_t next_attempt_ = 0;  // to make the file
  bool continues_ = false;          // a ring of this run has been written out
  bool was_taken_ = false;          // somebody else had the file, and what they wrote is not to be lost
  std::string as_it_was_;           // when that was found out
  std::uint64_t held_until_ = 0;    // so long what comes is left in the rings, as they may be about to let it go
  std::optional<std::uint64_t> waits_since_;  // likewise, when the layer stops
  bool waits_for_disk_ = false;               // likewise, until the file can be made
  std::uint64_t taken_pause_ = 0;             // until it is tried again, nanoseconds
  bool owed_ = false;                         // the ring has a trigger and is not written out yet
  bool empty_ = true;                         // no request has come to the ring since it was begun
  std::string moved_to_;                      // the file of the last ring
  std::string why_not_;                       // the last one could not be moved; empty: it could
  std::uint64_t new_records_ = 0;             // that written_ does not have yet
  std::uint64_t lost_ = 0;                    // requests without a record of which the file does not tell yet
  std::uint64_t lost_in_all_ = 0;             // since the file could not be written to
  std::uint64_t failed_ = 0;                  // when a write failed last
  int said_ = 0;                              // the error that has been told; 0: the file can be written to
  Triggers triggers_;
};

}  // namespace ashlar::trace
