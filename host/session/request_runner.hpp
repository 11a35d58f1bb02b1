// RequestRunner: runs one admitted request through the chain and has its reply laid out in wire format. No socket: the
// bytes of a reply are built where they will be sent from. (proto.md, "Transmission")
#pragma once

#include <ashlar/io.hpp>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "chain/chain.hpp"
#include "chain/export.hpp"
#include "log/repeats.hpp"
#include "protocol/admission.hpp"
#include "protocol/block_sizes.hpp"
#include "protocol/codec.hpp"
#include "protocol/handshake.hpp"
#include "protocol/reply_style.hpp"

namespace ashlar::host {

// A request and whether it is admitted, with its payload if it has one.
struct Asked {
  protocol::Request request;
  protocol::Verdict verdict;
  std::uint64_t id = 0;  // of RequestIds
  const std::byte* payload = nullptr;
  std::chrono::steady_clock::time_point arrived{};  // when the last of it was received
};

// The request as one that is refused because its connection ends: the server stops, a reload ends its client, or that
// has gone.
inline Asked refused_at_end(Asked asked) {
  asked.verdict.kind = protocol::Verdict::Kind::refuse;
  asked.verdict.error = protocol::error_eshutdown;
  asked.verdict.text = "this connection is ending";
  return asked;
}

// What became of one try to run a request.
struct Reply {
  enum class Kind {
    ready,        // `bytes` of it were laid out
    lent,         // `bytes` of header were laid out; the data follow from `fd`, then lent_tail()
    cold,         // nothing was laid out; the data are to be read from `fd`, and go behind a lay_out_header()
    would_block,  // nothing happened; it is for Jobs
  } kind = Kind::ready;
  std::size_t bytes = 0;
  std::uint32_t error = protocol::error_none;  // of the wire, as the reply tells it
  int fd = -1;
  std::uint64_t fd_offset = 0;
};

class RequestRunner {
 public:
  // `max_payload`: the server's limits on reads and writes.
  RequestRunner(Chain& chain, const protocol::Agreement& agreement, protocol::PayloadLimits max_payload,
                Repeats& repeats);

  // Bytes to have at hand for the reply.
  std::size_t reply_bytes(const Asked& asked) const;
  // Bytes before the data of a read's reply: so that the data can be aligned in memory.
  std::size_t data_offset() const { return style_.data_header_size(); }
  // In memory that starts on a page: where to lay a reply out, so that a read's data start on a page, too, which spares
  // a backend with O_DIRECT a copy; and how much memory that takes.
  std::size_t paged_offset() const { return page - data_offset(); }
  std::size_t paged_reply_bytes(const Asked& asked) const { return paged_offset() + reply_bytes(asked); }

  // Runs the request; lays the reply out at `at`, which has room for reply_bytes(asked). `shortcuts`: those of
  // Flag::shortcuts that the caller can make use of; may_hole and lend_only are seen to here. [several threads at once,
  // for different requests]
  Reply run(const Asked& asked, std::byte* at, Flags shortcuts);

  // Of a read: whether its data can be sent without memory for them. `at` has room for lend_bytes. lent and cold as
  // from run(); ready: nothing but zeroes, or an error; would_block: not this way, nothing has happened. Never blocks.
  // [as run()]
  Reply try_lend(const Asked& asked, std::byte* at);
  static constexpr std::size_t lend_bytes = protocol::max_error_size;

  // What precedes the data of a read that lay at at + data_offset(), read in full. Returns its size.
  std::size_t lay_out_header(const Asked& asked, std::byte* at) const;
  // A reply to what was refused or needs nothing done.
  Reply settle(const Asked& asked, std::byte* at) const;
  // What follows the data of a lent read, of which sending ended with `error`. Returns its size; 0 if the reply cannot
  // tell of it.
  std::size_t lent_tail(const Asked& asked, std::byte* at, int error);

  // See Chain.
  Inside waiting_for_lent(std::chrono::steady_clock::time_point since) { return chain_.waiting_for_lent(since); }

  const protocol::Admission& admission() const { return admission_; }
  // Whether a reply can tell of an error that comes behind its data.
  bool structured() const { return style_.chunked(); }
  // Whether the chain can be asked not to block.
  bool can_nowait() const { return offered_.has(Flag::nowait); }

 private:
  static constexpr std::size_t page = 4096;

  Flags may_hole(const Asked& asked) const;
  static Io io_of(const Asked& asked, Flags flags);
  int call(const Asked& asked, Io& io);
  int failed(const Asked& asked, int error);
  Reply read(const Asked& asked, std::byte* at, Flags flags);
  template <std::size_t most_segments>
  Reply read_with_room(const Asked& asked, std::byte* at, Flags flags);
  Reply lend(const Asked& asked, std::byte* at, Flags flags, const Io& io);
  Reply extents(const Asked& asked, std::byte* at, Flags flags);
  Reply not_done(const Asked& asked, std::byte* at, int error) const;
  Reply fail(const Asked& asked, std::byte* at, int error) const;
  Reply succeed(const Asked& asked, std::byte* at) const;

  Chain& chain_;
  const Flags offered_;
  const protocol::ReplyStyle style_;
  const bool has_extents_;
  const std::uint32_t context_;
  protocol::Admission admission_;
  Repeats& repeats_;
};

}  // namespace ashlar::host
