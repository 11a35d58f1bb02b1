#include "session/reply.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "protocol/errors.hpp"
#include "protocol/offer.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;

// Descriptors in one BLOCK_STATUS reply; the text allows to answer for less than was asked.
constexpr std::size_t most_descriptors = 8192;
static_assert(most_descriptors <= max_status_descriptors);
// A descriptor's state is the layers' own, bit for bit.
static_assert(ASHLAR_HOLE == state_hole && ASHLAR_ZERO == state_zero);
// Zeroes shorter than this go as data: the chunk that tells of them would be longer.
constexpr std::uint32_t least_hole = 64;
static_assert(least_hole >= hole_size + data_header_size, "lay_out_sparse() would overwrite data not yet moved");
// Extents of one read; one with more is sent as a single piece.
constexpr std::size_t most_segments = 1024;

}  // namespace

// Collects what a read of `wanted` bytes tells of its holes.
class Replier::Segments {
 public:
  explicit Segments(std::uint32_t wanted) : wanted_(wanted) {}
  const ashlar_extent_sink* sink() const { return &sink_; }
  std::span<const Segment> list() const { return {list_.data(), count_}; }
  bool told() const { return count_ != 0; }
  bool complete() const { return total_ == wanted_; }
  bool too_many() const { return too_many_; }

 private:
  static std::int32_t add(void* self, std::uint64_t length, std::uint32_t state) noexcept {
    return static_cast<Segments*>(self)->add(length, (state & ASHLAR_ZERO) != 0) ? 0 : 1;
  }
  bool add(std::uint64_t bytes, bool zero) {
    const auto length = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, wanted_ - total_));
    if (length == 0) return total_ < wanted_;
    if (count_ == 0 || list_[count_ - 1].zero != zero) {
      if (count_ == list_.size()) return too_many_ = true, false;
      list_[count_++] = {0, zero};
    }
    list_[count_ - 1].length += length;
    total_ += length;
    return total_ < wanted_;
  }

  ashlar_extent_sink sink_{this, &Segments::add};
  std::uint32_t wanted_, total_ = 0;
  std::size_t count_ = 0;
  bool too_many_ = false;
  std::array<Segment, most_segments> list_;
};

// Writes extents as descriptors, straight into the reply.
class Replier::Descriptors {
 public:
  Descriptors(std::byte* at, std::uint32_t wanted, bool one) : at_(at), wanted_(wanted), most_(one ? 1 : most_descriptors) {}
  const ashlar_extent_sink* sink() const { return &sink_; }
  // Ends the list; returns the number of descriptors.
  std::uint32_t finish() {
    if (length_ != 0) put_last();
    return count_;
  }

 private:
  static std::int32_t add(void* self, std::uint64_t length, std::uint32_t state) noexcept {
    return static_cast<Descriptors*>(self)->add(length, state & (state_hole | state_zero)) ? 0 : 1;
  }
  bool add(std::uint64_t length, std::uint32_t state) {
    if (full_ || total_ == wanted_) return false;
    length = std::min<std::uint64_t>(length, wanted_ - total_);
    if (length == 0) return true;
    if (length_ != 0 && state != state_) {
      if (count_ + 1 == most_) return full_ = true, false;
      put_last();
    }
    state_ = state;
    length_ += static_cast<std::uint32_t>(length);
    total_ += static_cast<std::uint32_t>(length);
    return total_ < wanted_;
  }
  void put_last() {
    put_status_descriptor(at_ + count_ * status_descriptor_size, length_, state_);
    ++count_;
    length_ = 0;
  }

  ashlar_extent_sink sink_{this, &Descriptors::add};
  std::byte* at_;
  std::uint32_t wanted_;
  std::size_t most_;
  std::uint32_t count_ = 0, total_ = 0;
  std::uint32_t length_ = 0, state_ = 0;  // the descriptor under way; 0: none
  bool full_ = false;
};

Replier::Replier(Chain& chain, const Agreement& agreement, PayloadLimits max_payload, spdlog::logger& log)
    : chain_(chain),
      offered_(chain.geometry().flags),
      structured_(agreement.structured_replies),
      has_extents_(chain.geometry().ops.has(Op::extents)),
      context_(agreement.allocation_context),
      admission_(admission_for(chain.geometry(), agreement, max_payload)),
      log_(log) {}

std::size_t Replier::room(const Asked& asked) const {
  if (asked.verdict.kind != Verdict::Kind::run) return max_error_size;
  switch (asked.verdict.op) {
    case Op::read: return std::max(max_error_size, data_offset() + asked.request.length);
    case Op::extents: return status_header_size + most_descriptors * status_descriptor_size;
    default: return max_error_size;
  }
}

Reply Replier::run(const Asked& asked, std::byte* at, Flags shortcuts) {
  const Flags flags = asked.verdict.layer_flags | (shortcuts & offered_);
  if (asked.verdict.op == Op::read) {
    const bool may_fragment = structured_ && !asked.verdict.form.one_chunk;
    return read(asked, at, may_fragment ? flags | (Flag::may_hole & offered_) : flags);
  }
  if (asked.verdict.op == Op::extents) return extents(asked, at, flags);
  Io io(asked.verdict.op, asked.request.offset, asked.request.length, flags);
  if (asked.verdict.op == Op::write) io.data = const_cast<std::byte*>(asked.payload);
  if (asked.verdict.op == Op::flush) io.ashlar_io::offset = io.ashlar_io::length = 0;
  const int error = call(asked, io);
  if (error == EAGAIN) return {.kind = Reply::Kind::would_block};
  return error == 0 ? succeed(asked, at) : fail(asked, at, error);
}

// Calls the chain. EAGAIN only ever means that nothing was done because of Flag::nowait.
int Replier::call(const Asked& asked, Io& io) {
  const Flags flags = io.flags();  // as the layers were asked, whatever they leave in `io`
  int error = chain_.process(io);
  if (error == 0) return 0;
  if (error == EAGAIN && flags.has(Flag::nowait)) return EAGAIN;
  if (error < 0 || error > 4095 || error == EAGAIN) error = EIO;  // a module's mistake must not reach the client as such
  if (error == ENOTSUP && flags.has(Flag::fast)) return error;    // no failure, but the answer that was asked for
  return failed(asked, error);
}

// Counts and logs a failed request; returns `error`.
int Replier::failed(const Asked& asked, int error) {
  if (errors_.fetch_add(1, std::memory_order_relaxed) < errors_logged)
    log_.warn("{}: {} offset {} length {}: {}", chain_.exported().name(), name(asked.verdict.op), asked.request.offset,
              asked.request.length, std::strerror(error));
  return error;
}

Reply Replier::read(const Asked& asked, std::byte* at, Flags flags) {
  Io io(Op::read, asked.request.offset, asked.request.length, flags);
  std::byte* const data = at + data_offset();
  io.data = data;
  Segments holes(asked.request.length);
  if (flags.has(Flag::may_hole)) io.ashlar_io::extents = holes.sink();
  if (const int error = call(asked, io); error == EAGAIN) return {.kind = Reply::Kind::would_block};
  else if (error != 0) return fail(asked, at, error);

  if (io.lent()) return lend(asked, at, flags, io);
  if (holes.too_many()) return read(asked, at, flags.without(Flag::may_hole));
  if (!holes.told()) return {.bytes = lay_out_header(asked, at) + asked.request.length};
  if (!holes.complete()) return fail(asked, at, failed(asked, EIO));  // a module that lost count
  return {.bytes = lay_out_sparse(asked, at, holes.list())};
}

Reply Replier::lend(const Asked& asked, std::byte* at, Flags flags, const Io& io) {
  if (!flags.has(Flag::may_lend)) return fail(asked, at, failed(asked, EIO));  // not asked to: the data are not here
  if (io.lent_cold != 0 && flags.has(Flag::may_lend_cold))
    return {.kind = Reply::Kind::cold, .fd = io.lent_fd, .fd_offset = io.lent_offset};
  // No DONE yet: lent data may still fail on their way to the socket.
  if (structured_) put_data_header(at, 0, asked.request.cookie, asked.request.offset, asked.request.length);
  else put_simple_reply(at, asked.request.cookie, error_none);
  return {.kind = Reply::Kind::lent, .bytes = data_offset(), .fd = io.lent_fd, .fd_offset = io.lent_offset};
}

std::size_t Replier::lay_out_header(const Asked& asked, std::byte* at) const {
  if (!structured_) return put_simple_reply(at, asked.request.cookie, error_none);
  return put_data_header(at, reply_flag_done, asked.request.cookie, asked.request.offset, asked.request.length);
}

// The data stand at at + data_offset() as one piece; moves them forward to make chunks, with a hole chunk for each hole. A hole
// is at least as long as the two headers it needs, so nothing is overwritten before it was moved.
std::size_t Replier::lay_out_sparse(const Asked& asked, std::byte* at, std::span<const Segment> segments) const {
  const std::byte* from = at + data_offset();
  std::byte* const start = at;
  std::uint64_t offset = asked.request.offset;
  const std::uint64_t end = offset + asked.request.length;
  std::size_t i = 0;
  while (offset < end) {
    if (segments[i].zero && segments[i].length >= least_hole) {
      const std::uint32_t length = segments[i].length;
      at += put_hole(at, offset + length == end ? reply_flag_done : 0, asked.request.cookie, offset, length);
      from += length;
      offset += length;
      ++i;
      continue;
    }
    std::uint32_t length = 0;  // of data and short zeroes up to the next hole
    for (; i < segments.size() && !(segments[i].zero && segments[i].length >= least_hole); ++i) {
      if (segments[i].zero) std::memset(const_cast<std::byte*>(from) + length, 0, segments[i].length);
      length += segments[i].length;
    }
    std::byte* const to = at + data_header_size;
    if (to != from) std::memmove(to, from, length);
    put_data_header(at, offset + length == end ? reply_flag_done : 0, asked.request.cookie, offset, length);
    at = to + length;
    from += length;
    offset += length;
  }
  return static_cast<std::size_t>(at - start);
}

Reply Replier::extents(const Asked& asked, std::byte* at, Flags flags) {
  Descriptors list(at + status_header_size, asked.request.length, asked.verdict.form.one_extent);
  if (has_extents_) {
    Io io(Op::extents, asked.request.offset, asked.request.length, flags);
    io.ashlar_io::extents = list.sink();
    if (const int error = call(asked, io); error == EAGAIN) return {.kind = Reply::Kind::would_block};
    else if (error != 0) return fail(asked, at, error);
  } else {
    list.sink()->add(list.sink()->self, asked.request.length, 0);  // nothing known: allocated, which is always true enough
  }
  const std::uint32_t count = list.finish();
  if (count == 0) return fail(asked, at, failed(asked, EIO));  // a module that told nothing
  put_status_header(at, asked.request.cookie, context_, count);
  return {.bytes = status_header_size + count * status_descriptor_size};
}

Reply Replier::settle(const Asked& asked, std::byte* at) const {
  if (asked.verdict.kind == Verdict::Kind::done) return succeed(asked, at);
  if (structured_) return {.bytes = put_error(at, asked.request.cookie, asked.verdict.error, asked.verdict.text)};
  return {.bytes = put_simple_reply(at, asked.request.cookie, asked.verdict.error)};
}

Reply Replier::fail(const Asked& asked, std::byte* at, int error) const {
  const std::uint32_t wire = wire_error(error, asked.verdict.layer_flags.has(Flag::fast));
  if (structured_) return {.bytes = put_error(at, asked.request.cookie, wire, error_text(wire))};
  return {.bytes = put_simple_reply(at, asked.request.cookie, wire)};
}

// A read of no bytes, once structured replies are agreed on, must not be answered by a simple one.
Reply Replier::succeed(const Asked& asked, std::byte* at) const {
  if (structured_ && (asked.verdict.op == Op::read || asked.verdict.op == Op::extents))
    return {.bytes = put_chunk(at, reply_flag_done, reply_type_none, asked.request.cookie, 0)};
  return {.bytes = put_simple_reply(at, asked.request.cookie, error_none)};
}

std::size_t Replier::lent_tail(const Asked& asked, std::byte* at, int error) {
  if (error != 0) failed(asked, error);
  if (!structured_) return 0;
  if (error == 0) return put_chunk(at, reply_flag_done, reply_type_none, asked.request.cookie, 0);
  const std::uint32_t wire = wire_error(error, false);
  return put_error(at, asked.request.cookie, wire, error_text(wire));
}

}  // namespace ashlar::host
