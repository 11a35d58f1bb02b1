// Backend: one opened file or block device, and the seven ops on it. Opened once per layer and shared by that layer's
// connections, so that what is found out about it is found out once. Only its size is each connection's own, as it was
// when that connection came. All I/O is positional: the file offset, which lseek(2) moves when extents are asked for,
// means nothing to anybody.
//
// The ops in their order stand in read_write.cpp, zero.cpp (zero and trim) and extents.cpp; how a path becomes a
// backend, in open.cpp.
#pragma once
#include <ashlar/geometry.hpp>
#include <ashlar/host.hpp>
#include <ashlar/io.hpp>
#include <atomic>
#include <cerrno>
#include <string>

#include "abilities.hpp"
#include "bounce.hpp"
#include "calm.hpp"
#include "fd.hpp"
#include "merger.hpp"
#include "range.hpp"
#include "sync_errors.hpp"
#include "syscalls.hpp"
#include "zero_metrics.hpp"
#include "zero_plan.hpp"

namespace ashlar::fileops {

// What becomes of what lseek(2) tells of a file's holes.
enum class Holes : std::uint8_t {
  unknown,  // it is not asked; all is data
  told,     // told to who asks for extents; reads read the bytes, see FileSystem::tells_data_at_once
  trusted,  // and reads leave them out
};

// What is known of a backend when it is opened. Decided once, obeyed afterwards.
struct Facts {
  Kind kind = Kind::file;
  std::uint64_t size = 0;      // bytes; geometry() asks again
  std::uint32_t sector = 512;  // block device: logical sector; 4096 when it cannot be read
  std::uint32_t preferred = 4096;
  bool read_only = false;
  bool rotational = false;
  Holes holes = Holes::trusted;
  bool dense = false;           // every byte is allocated, so no hole need be looked for when reading
  bool witness = false;         // each descriptor is told of lost data, see FileSystem
  bool manual_zeroing = false;  // zero answers not_supported, trim does nothing

  // Direct I/O (O_DIRECT).
  bool direct = false;
  std::uint32_t direct_block = 1;  // offsets and lengths are multiples of it
  std::uint32_t memory_block = 1;  // addresses are
  std::uint64_t direct_end = 0;    // from here on, the descriptor without O_DIRECT is used; geometry() may lower it

  // Trim: the device's unit, and where in it the device begins.
  std::uint32_t discard_block = 1;
  std::uint32_t discard_phase = 0;
};

// The answer to a request that ended with an errno of the kernel. Two of them mean something else between layers:
// EAGAIN is for NOWAIT alone, and EOPNOTSUPP from zero says that nothing was done.
inline Status answer(std::int64_t error) {
  return error == EAGAIN || error == EOPNOTSUPP ? Status::io_error() : Status{static_cast<std::int32_t>(error)};
}

class Backend {
 public:
  // `buffered`: if facts.direct, a second descriptor of the same file without O_DIRECT. `syscalls` and what `host`
  // stands for outlive the backend.
  Backend(Facts facts, Fd fd, Fd buffered, Syscalls& syscalls, Host host);
  ~Backend();  // logs the totals of zero and trim
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // What a connection that comes now is told: asks the kernel for the size. Those that came before keep what they were
  // told. Throws std::system_error. [control, several threads at once]
  Geometry geometry();
  const Facts& facts() const { return facts_; }
  const Abilities& abilities() const { return abilities_; }
  const SyncErrors& sync_errors() const { return sync_errors_; }

  // The ops, as in Device. [data, several threads at once]
  //
  // read: bytes that are no longer there, as somebody has truncated the file, are EIO, not zeroes; nor are they lent.
  Status read(Io& io) noexcept;
  // write: never past the size at open. Of a file that was truncated it makes the file longer again.
  Status write(Io& io) noexcept;
  // flush: once a call that makes data durable (fdatasync(2), a write with RWF_DSYNC) has failed, every flush and FUA
  // that has not been answered yet answers its error, to connections of any size, until the backend is closed by its
  // last connection: the kernel may have dropped the data that it could not write, and would say so only once.
  Status flush(Io& io) noexcept;
  Status trim(Io& io) noexcept;
  Status zero(Io& io) noexcept;
  Status cache(Io& io) noexcept;
  // extents: up to where the file ends now, or EIO if that is before the range.
  Status extents(Io& io) noexcept;

 private:
  // backend.cpp
  std::uint64_t size_now();
  void note_refusal(Feature feature, int error) noexcept;

  // read_write.cpp
  Status lend(Io& io) noexcept;
  Status read_part(std::byte* into, Range range, bool nowait) noexcept;
  Status read_now(std::byte* into, Range range) noexcept;
  Status read_all(std::byte* into, Range range) noexcept;
  Status read_buffered(Syscalls& sys, int fd, std::byte* into, Range range) noexcept;
  Status read_direct(std::byte* into, Range range) noexcept;
  Status write_all(const std::byte* from, Range range) noexcept;
  Status write_buffered(Syscalls& sys, int fd, const std::byte* from, Range range) noexcept;
  Status write_direct(const std::byte* from, Range range) noexcept;
  Status write_durably(const std::byte* from, Range range) noexcept;
  std::int64_t write_dsync(const std::byte* from, Range range) noexcept;
  enum class InMemory { yes, no, unknown };
  InMemory in_memory(const Io& io) noexcept;
  bool is_there(const Io& io) noexcept;
  bool can_lend_cold(const Io& io) const noexcept;
  Status find_fault(const std::byte* from, Range range, int error, SyncErrors::Call& call) noexcept;
  Status datasync() noexcept;
  Status end(SyncErrors::Call& call) noexcept;

  // zero.cpp
  Status run(const Zeroing& zeroing, bool small) noexcept;
  Status run_inline(const Zeroing& zeroing) noexcept;
  Status act(const Zeroing& zeroing) noexcept;
  Status do_zero(const Zeroing& zeroing) noexcept;
  Status zero_by_plan(const Question& question, Range range) noexcept;
  Status fill_with_zeroes(Range range) noexcept;
  Status do_trim(Range range) noexcept;
  int attempt(Op op, Method method, Range range) noexcept;

  // extents.cpp
  bool tells_holes() const noexcept;
  bool reads_may_skip_holes() const noexcept;
  Status tell_extents(Io& io) noexcept;
  Status tell_data(Io& io) noexcept;
  bool read_around_holes(Io& io, Status& status) noexcept;
  enum class Content { data, hole, both };
  Content content_of(Range range) noexcept;

  // report.cpp
  void log_attempt(Op op, Range range, Method method, int error) const noexcept;
  void log_discovery(const char* what, int error) const noexcept;
  void log_lost(int error) const noexcept;
  void log_resized(std::uint64_t before, std::uint64_t now) const noexcept;
  void log_totals() const noexcept;

  const Facts facts_;
  const Fd fd_, buffered_;
  Syscalls& sys_;
  const Host host_;

  Abilities abilities_;
  ZeroMetrics zero_metrics_;
  Calm calm_;
  Calm zero_calm_;  // of zero and trim; where these only are slow, calm_ knows nothing of it
  Merger merger_;   // of a file
  BounceBuffers bounce_;
  SyncErrors sync_errors_;
  std::atomic<std::uint64_t> size_;        // as the last connection was told
  std::atomic<std::uint64_t> direct_end_;  // never rises: what was written through the page cache stays there
  std::atomic<bool> dense_;
  std::atomic<std::uint64_t> left_to_writing_{0};  // zeroes answered "not supported", bytes
};

}  // namespace ashlar::fileops
