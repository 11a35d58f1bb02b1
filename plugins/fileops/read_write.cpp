// read, write, flush and cache.
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "backend.hpp"

namespace ashlar::fileops {
namespace {

// A buffered operation up to this length may run on the connection's thread: it takes some 100 µs when nothing is
// wrong.
constexpr std::uint64_t inline_max = 1u << 20;
// Lending costs a sendfile(2) of its own; below this length copying is cheaper.
constexpr std::uint64_t lend_min = 64u << 10;
// The page cache keeps what one write(2) brought in pieces as large as it, and ext4 walks the whole piece, block by
// block, for each later write of a part of it: 4 KiB into a piece of 1 MiB take five times as long as into one of this.
constexpr std::uint64_t cached_piece = 64u << 10;
// As much as one `cache` asks the kernel to read ahead.
constexpr std::uint64_t cache_max = 64u << 20;

bool aligned_address(const void* address, std::uint32_t block) {
  return reinterpret_cast<std::uintptr_t>(address) % block == 0;
}

}  // namespace

Status Backend::read(Io& io) noexcept {
  if (io.has(Flag::lend_only)) return lend(io);
  Status status;
  if (io.has(Flag::may_hole) && read_around_holes(io, status)) return status;
  const bool may_lend = io.has(Flag::may_lend) && !facts_.direct && io.length() >= lend_min;
  if (may_lend && in_memory(io) == InMemory::yes && is_there(io)) {
    io.lend(fd_.get(), io.offset());
    return Status::success();
  }
  const Status s = read_part(io.buffer().data(), {io.offset(), io.length()}, io.has(Flag::nowait));
  if (s == Status::would_block() && io.has(Flag::may_lend_cold) && can_lend_cold(io)) {
    io.lend_cold(fd_.get(), io.offset());
    return Status::success();
  }
  return s;
}

// read with LEND_ONLY: there is no buffer. What is part hole, part data is for a read that has one.
Status Backend::lend(Io& io) noexcept {
  if (io.length() < lend_min) return Status::would_block();
  const Content content = io.has(Flag::may_hole) ? content_of({io.offset(), io.length()}) : Content::data;
  if (content == Content::both) return Status::would_block();
  if (content == Content::hole) {
    io.add_extent(io.length(), Extent::sparse);
    return Status::success();
  }
  const InMemory in = facts_.direct ? InMemory::no : in_memory(io);
  if (in == InMemory::yes && is_there(io)) {
    io.lend(fd_.get(), io.offset());
    return Status::success();
  }
  if (in != InMemory::no || !io.has(Flag::may_lend_cold) || !can_lend_cold(io)) return Status::would_block();
  io.lend_cold(fd_.get(), io.offset());
  return Status::success();
}

Status Backend::read_part(std::byte* into, Range range, bool nowait) noexcept {
  return nowait ? read_now(into, range) : read_all(into, range);
}

Status Backend::read_now(std::byte* into, Range range) noexcept {
  if (facts_.direct) return Status::would_block();
  if (!abilities_.lacks(Feature::read_nowait)) {
    const auto n = retry([&] { return sys_.read(fd_.get(), into, range.length, range.offset, RWF_NOWAIT); });
    if (n > 0 && static_cast<std::uint64_t>(n) == range.length) return Status::success();
    // Errors and short reads are for the call that may wait to find out.
    if (n >= 0 || verdict(static_cast<int>(-n)) != Verdict::unsupported) return Status::would_block();
    note_refusal(Feature::read_nowait, static_cast<int>(-n));
  }
  if (range.length > inline_max) return Status::would_block();
  const Watch watch(calm_, sys_);
  return watch.may_run() ? read_buffered(sys_.here(), fd_.get(), into, range) : Status::would_block();
}

Status Backend::read_all(std::byte* into, Range range) noexcept {
  if (!facts_.direct) return read_buffered(sys_, fd_.get(), into, range);
  const std::uint64_t cut = std::clamp(direct_end_.load(std::memory_order_relaxed), range.offset, range.end());
  const Range direct{range.offset, cut - range.offset};
  if (const Status s = read_direct(into, direct); s.failed()) return s;
  return read_buffered(sys_, buffered_.get(), into + direct.length, {cut, range.end() - cut});
}

Status Backend::read_buffered(Syscalls& sys, int fd, std::byte* into, Range range) noexcept {
  while (!range.empty()) {
    const auto n = retry([&] { return sys.read(fd, into, range.length, range.offset, 0); });
    if (n < 0) return answer(-n);
    if (n == 0) return Status::io_error();  // the file has become shorter
    into += n;
    range = {range.offset + n, range.length - n};
  }
  return Status::success();
}

Status Backend::read_direct(std::byte* into, Range range) noexcept {
  const bool in_place = aligned_address(into, facts_.memory_block);
  BounceBuffers::Lease bounce(bounce_, in_place ? 0 : range.length);
  if (bounce.failed()) return Status{ENOMEM};
  while (!range.empty()) {
    const std::uint64_t want = in_place ? range.length : std::min<std::uint64_t>(range.length, BounceBuffers::bytes);
    std::byte* const target = in_place ? into : bounce.data();
    auto n = retry([&] { return sys_.read(fd_.get(), target, want, range.offset, 0); });
    if (n < 0) return answer(-n);
    n -= n % facts_.direct_block;           // direct I/O must go on at a block
    if (n == 0) return Status::io_error();  // the file has become shorter
    if (!in_place) std::memcpy(into, target, n);
    into += n;
    range = {range.offset + n, range.length - n};
  }
  return Status::success();
}

Status Backend::write(Io& io) noexcept {
  const std::byte* from = io.payload().data();
  const Range range{io.offset(), io.length()};
  if (facts_.read_only) return Status{EPERM};
  if (!io.has(Flag::nowait)) return io.has(Flag::fua) ? write_durably(from, range) : write_all(from, range);

  if (io.has(Flag::fua) || facts_.direct || range.length > inline_max) return Status::would_block();
  // RWF_NOWAIT is no help here: most file systems refuse it for buffered writes.
  const Watch watch(calm_, sys_);
  return watch.may_run() ? write_buffered(sys_.here(), fd_.get(), from, range) : Status::would_block();
}

Status Backend::write_all(const std::byte* from, Range range) noexcept {
  if (!facts_.direct) return write_buffered(sys_, fd_.get(), from, range);
  const std::uint64_t cut = std::clamp(direct_end_.load(std::memory_order_relaxed), range.offset, range.end());
  const Range direct{range.offset, cut - range.offset};
  if (const Status s = write_direct(from, direct); s.failed()) return s;
  return write_buffered(sys_, buffered_.get(), from + direct.length, {cut, range.end() - cut});
}

Status Backend::write_buffered(Syscalls& sys, int fd, const std::byte* from, Range range) noexcept {
  while (!range.empty()) {
    const std::uint64_t piece = std::min(range.length, cached_piece - range.offset % cached_piece);
    const auto n = retry([&] { return sys.write(fd, from, piece, range.offset, 0); });
    if (n < 0) return answer(-n);
    if (n == 0) return Status::io_error();  // would go on for ever
    from += n;
    range = {range.offset + n, range.length - n};
  }
  return Status::success();
}

Status Backend::write_direct(const std::byte* from, Range range) noexcept {
  const bool in_place = aligned_address(from, facts_.memory_block);
  BounceBuffers::Lease bounce(bounce_, in_place ? 0 : range.length);
  if (bounce.failed()) return Status{ENOMEM};
  while (!range.empty()) {
    const std::uint64_t want = in_place ? range.length : std::min<std::uint64_t>(range.length, BounceBuffers::bytes);
    if (!in_place) std::memcpy(bounce.data(), from, want);
    const std::byte* const source = in_place ? from : bounce.data();
    auto n = retry([&] { return sys_.write(fd_.get(), source, want, range.offset, 0); });
    if (n < 0) return answer(-n);
    n -= n % facts_.direct_block;
    if (n == 0) return Status::io_error();
    from += n;
    range = {range.offset + n, range.length - n};
  }
  return Status::success();
}

// RWF_DSYNC makes just this range durable, where fdatasync(2) would wait for all that is dirty in the file.
Status Backend::write_durably(const std::byte* from, Range range) noexcept {
  if (const int error = sync_errors_.first(); error != 0) return answer(error);
  const bool one_write = !facts_.direct || (range.end() <= direct_end_.load(std::memory_order_relaxed) &&
                                            range.length <= BounceBuffers::bytes);
  if (one_write && !abilities_.lacks(Feature::write_dsync)) {
    // Memory that there is not is no error of the disk: it is taken before the call begins.
    const bool in_place = !facts_.direct || aligned_address(from, facts_.memory_block);
    BounceBuffers::Lease bounce(bounce_, in_place ? 0 : range.length);
    if (bounce.failed()) return Status{ENOMEM};
    if (!in_place) std::memcpy(bounce.data(), from, range.length);
    sync_errors_.watch();
    SyncErrors::Call call(sync_errors_);
    const auto n = write_dsync(in_place ? from : bounce.data(), range);
    if (n == static_cast<std::int64_t>(range.length)) return end(call);
    const int error = n < 0 ? static_cast<int>(-n) : 0;
    if (verdict(error) == Verdict::failed) return find_fault(from, range, error, call);
    note_refusal(Feature::write_dsync, error);
  }
  const Status s = write_all(from, range);
  return s.failed() ? s : datasync();
}

// A write with RWF_DSYNC has failed. Was it the write, or making it durable? The same write without the flag tells,
// but not where both fail: a full disk may have lost what was written before. Then the witness knows; of EIO it does
// not, as nobody tells it of a disk that could not empty its cache. Nobody's flush succeeds meanwhile.
Status Backend::find_fault(const std::byte* from, Range range, int error, SyncErrors::Call& call) noexcept {
  const Status plain = write_all(from, range);
  if (plain.code() == error && error != EIO && call.lost_nothing()) return plain;
  call.failed(error);
  return end(call);
}

std::int64_t Backend::write_dsync(const std::byte* from, Range range) noexcept {
  return retry([&] { return sys_.write(fd_.get(), from, range.length, range.offset, RWF_DSYNC); });
}

Status Backend::flush(Io& io) noexcept {
  if (facts_.read_only) return Status::success();
  return io.has(Flag::nowait) ? Status::would_block() : datasync();
}

Status Backend::datasync() noexcept {
  if (const int error = sync_errors_.first(); error != 0) return answer(error);
  SyncErrors::Call call(sync_errors_);
  const int result = retry([&] { return sys_.fdatasync(fd_.get()); });
  if (result < 0) call.failed(-result);
  return end(call);
}

Status Backend::end(SyncErrors::Call& call) noexcept {
  const SyncErrors::Known known = call.end();
  if (known.found) log_lost(known.error);
  return answer(known.error);
}

Status Backend::cache(Io& io) noexcept {
  if (facts_.direct) return Status::success();
  if (io.has(Flag::nowait)) return Status::would_block();
  // Advice: whether it was taken is of no interest to the client.
  retry([&] { return sys_.will_need(fd_.get(), io.offset(), std::min(io.length(), cache_max)); });
  return Status::success();
}

// Bytes in the page cache can be lent; others would make the borrower wait for the disk.
Backend::InMemory Backend::in_memory(const Io& io) noexcept {
  if (abilities_.lacks(Feature::cachestat)) return InMemory::unknown;
  const auto cached = sys_.cached_pages(fd_.get(), io.offset(), io.length());
  if (cached < 0) {
    note_refusal(Feature::cachestat, static_cast<int>(-cached));
    return InMemory::unknown;
  }
  const auto page = static_cast<std::uint64_t>(::getpagesize());
  const std::uint64_t pages = (io.end() - 1) / page - io.offset() / page + 1;
  return static_cast<std::uint64_t>(cached) >= pages ? InMemory::yes : InMemory::no;
}

// Whether none of it is gone: a page stays in memory where the file ends within it. Who lends it has promised all of
// it, and a simple reply cannot take that back.
bool Backend::is_there(const Io& io) noexcept {
  return sys_.size_known(fd_.get()) >= static_cast<std::int64_t>(io.end());
}

// What is not in memory can be read by the borrower, except through the second descriptor. Where the kernel cannot tell
// what is in memory, a worker waits for it.
bool Backend::can_lend_cold(const Io& io) const noexcept {
  return facts_.direct ? io.end() <= direct_end_.load(std::memory_order_relaxed)
                       : !abilities_.lacks(Feature::read_nowait);
}

}  // namespace ashlar::fileops
