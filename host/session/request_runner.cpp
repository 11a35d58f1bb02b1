#include "session/request_runner.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "config/text.hpp"
#include "protocol/errors.hpp"
#include "protocol/offer.hpp"
#include "protocol/sparse_read.hpp"
#include "protocol/status_reply.hpp"

namespace ashlar::host {
namespace {

constexpr std::uint32_t small_read = 64u << 10;  // bytes
constexpr std::size_t most_of_small_read = 64;   // segments

}  // namespace

using namespace protocol;

RequestRunner::RequestRunner(Chain& chain, const Agreement& agreement, PayloadLimits max_payload, Repeats& repeats)
    : chain_(chain),
      offered_(chain.geometry().flags),
      style_(reply_style_for(agreement)),
      has_extents_(chain.geometry().ops.has(Op::extents)),
      context_(agreement.allocation_context),
      admission_(admission_for(chain.geometry(), agreement, max_payload)),
      repeats_(repeats) {}

std::size_t RequestRunner::reply_bytes(const Asked& asked) const {
  if (asked.verdict.kind != Verdict::Kind::run) return max_error_size;
  switch (asked.verdict.op) {
    case Op::read: return std::max(max_error_size, data_offset() + asked.request.length);
    case Op::extents: return StatusReply::room(style_);
    default: return max_error_size;
  }
}

Reply RequestRunner::run(const Asked& asked, std::byte* at, Flags shortcuts) {
  const Flags flags = asked.verdict.layer_flags | (shortcuts.without(Flag::lend_only) & offered_);
  if (asked.verdict.op == Op::read) return read(asked, at, flags | may_hole(asked));
  if (asked.verdict.op == Op::extents) return extents(asked, at, flags);
  Io io = io_of(asked, flags);
  if (asked.verdict.op == Op::write) io.data = const_cast<std::byte*>(asked.payload);
  if (asked.verdict.op == Op::flush) io.ashlar_io::offset = io.ashlar_io::length = 0;
  const int error = call(asked, io);
  return error == 0 ? succeed(asked, at) : not_done(asked, at, error);
}

// What the layers are asked. The clock that stamps requests is CLOCK_MONOTONIC.
Io RequestRunner::io_of(const Asked& asked, Flags flags) {
  Io io(asked.verdict.op, asked.request.offset, asked.request.length, flags);
  io.ashlar_io::id = asked.id;
  io.ashlar_io::arrived = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(asked.arrived.time_since_epoch()).count());
  return io;
}

// Whether the layers may tell of the zeroes of a read: the reply can, and they know how to.
Flags RequestRunner::may_hole(const Asked& asked) const {
  return style_.chunked() && !asked.verdict.form.one_chunk ? Flag::may_hole & offered_ : Flag::none;
}

// Calls the chain. EAGAIN only ever means that nothing was done because of Flag::nowait.
int RequestRunner::call(const Asked& asked, Io& io) {
  const Flags flags = io.flags();  // as the layers were asked, whatever they leave in `io`
  int error = chain_.process(io);
  if (error == 0) return 0;
  if (error == EAGAIN && flags.has(Flag::nowait)) return EAGAIN;
  if (error < 0 || error > 4095 || error == EAGAIN)
    error = EIO;                                                // a module's mistake must not reach the client as such
  if (error == ENOTSUP && flags.has(Flag::fast)) return error;  // no failure, but the answer that was asked for
  if (error == ESHUTDOWN && chain_.exported().activity().stopped()) return error;  // it was not begun
  return failed(asked, error);
}

// Logs a failed request, or counts it among others that failed alike; returns `error`.
int RequestRunner::failed(const Asked& asked, int error) {
  const std::string exported = "export " + in_quotes(chain_.exported().name());
  const char* const op = name(asked.verdict.op);
  const char* const cause = std::strerror(error);
  try {
    repeats_.log(spdlog::level::warn, exported + ": " + op + ": " + cause, [&] {
      return exported + ": " + op + " offset " + std::to_string(asked.request.offset) + " length " +
             std::to_string(asked.request.length) + ": " + cause;
    });
  } catch (const std::bad_alloc&) {
    // A line is lost; the request is answered all the same.
  }
  return error;
}

// Thousands of small reads may wait at once, each on a stack of its own, of which little room keeps to one page.
Reply RequestRunner::read(const Asked& asked, std::byte* at, Flags flags) {
  if (asked.request.length <= small_read) return read_with_room<most_of_small_read>(asked, at, flags);
  return read_with_room<ReadSegments::most>(asked, at, flags);
}

template <std::size_t most_segments>
[[gnu::noinline]] Reply RequestRunner::read_with_room(const Asked& asked, std::byte* at, Flags flags) {
  Io io = io_of(asked, flags);
  std::byte* const data = at + data_offset();
  io.data = data;
  std::array<ReadSegment, most_segments> room;
  ReadSegments segments(asked.request.length, room);
  if (flags.has(Flag::may_hole)) io.ashlar_io::extents = segments.sink();
  if (const int error = call(asked, io); error != 0) return not_done(asked, at, error);

  if (io.lent()) return lend(asked, at, flags, io);
  if (segments.too_many()) return read(asked, at, flags.without(Flag::may_hole));
  if (!segments.told()) return {.bytes = lay_out_header(asked, at) + asked.request.length};
  if (!segments.complete()) return fail(asked, at, failed(asked, EIO));  // a module that lost count
  return {.bytes = lay_out_sparse(style_, asked.request, segments.list(), at)};
}

Reply RequestRunner::try_lend(const Asked& asked, std::byte* at) {
  constexpr Flags needed = Flag::nowait | Flag::may_lend | Flag::lend_only;
  if (!offered_.has(needed)) return {.kind = Reply::Kind::would_block};
  const Flags flags = asked.verdict.layer_flags | needed | (Flag::may_lend_cold & offered_) | may_hole(asked);
  Io io = io_of(asked, flags);
  std::array<ReadSegment, 2> room;  // all of one kind, or it is not of use
  ReadSegments segments(asked.request.length, room);
  if (flags.has(Flag::may_hole)) io.ashlar_io::extents = segments.sink();
  if (const int error = call(asked, io); error != 0) return not_done(asked, at, error);

  if (io.lent()) return lend(asked, at, flags, io);
  if (!segments.all_zero()) return fail(asked, at, failed(asked, EIO));  // a module that has forgotten to lend
  return {.bytes = style_.put_hole(at, asked.request, asked.request.offset, asked.request.length, true)};
}

Reply RequestRunner::lend(const Asked& asked, std::byte* at, Flags flags, const Io& io) {
  if (!flags.has(Flag::may_lend)) return fail(asked, at, failed(asked, EIO));  // not asked to: the data are not here
  if (io.lent_cold != 0 && flags.has(Flag::may_lend_cold))
    return {.kind = Reply::Kind::cold, .fd = io.lent_fd, .fd_offset = io.lent_offset};
  // Not the last part: lent data may still fail on their way to the socket.
  const std::size_t bytes =
      style_.put_data_header(at, asked.request, asked.request.offset, asked.request.length, false);
  return {.kind = Reply::Kind::lent, .bytes = bytes, .fd = io.lent_fd, .fd_offset = io.lent_offset};
}

std::size_t RequestRunner::lay_out_header(const Asked& asked, std::byte* at) const {
  return style_.put_data_header(at, asked.request, asked.request.offset, asked.request.length, true);
}

Reply RequestRunner::extents(const Asked& asked, std::byte* at, Flags flags) {
  StatusReply reply(style_, asked.request, context_, asked.verdict.form.one_extent, at);
  if (has_extents_) {
    Io io = io_of(asked, flags);
    io.ashlar_io::extents = reply.sink();
    if (const int error = call(asked, io); error != 0) return not_done(asked, at, error);
  } else {
    reply.add(asked.request.length, 0);  // nothing known: allocated, which is always true enough
  }
  const std::size_t bytes = reply.finish();
  if (bytes == 0) return fail(asked, at, failed(asked, EIO));  // a module that told nothing
  return {.bytes = bytes};
}

Reply RequestRunner::settle(const Asked& asked, std::byte* at) const {
  if (asked.verdict.kind == Verdict::Kind::done) return succeed(asked, at);
  return {.bytes = style_.put_error(at, asked.request, asked.verdict.error, asked.verdict.text),
          .error = asked.verdict.error};
}

// What becomes of a request of which call() has returned `error`.
Reply RequestRunner::not_done(const Asked& asked, std::byte* at, int error) const {
  return error == EAGAIN ? Reply{.kind = Reply::Kind::would_block} : fail(asked, at, error);
}

Reply RequestRunner::fail(const Asked& asked, std::byte* at, int error) const {
  const std::uint32_t wire = wire_error(error, asked.verdict.layer_flags.has(Flag::fast));
  return {.bytes = style_.put_error(at, asked.request, wire, error_text(wire)), .error = wire};
}

Reply RequestRunner::succeed(const Asked& asked, std::byte* at) const {
  return {.bytes = style_.put_success(at, asked.request, asked.verdict.op)};
}

std::size_t RequestRunner::lent_tail(const Asked& asked, std::byte* at, int error) {
  if (error != 0) failed(asked, error);
  const std::uint32_t wire = wire_error(error, false);
  return style_.put_tail(at, asked.request, wire, error_text(wire));
}

}  // namespace ashlar::host
