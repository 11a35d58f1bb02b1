// Admission: may this request run, and as what? The rules of "Request types", "Command flags" and "Error values", as a
// pure function of the request and of what was negotiated. What it lets pass obeys the contract of ashlar_io.
#pragma once
#include <ashlar/ops.hpp>
#include <cstdint>

#include "protocol/codec.hpp"
#include "protocol/wire.hpp"

namespace ashlar::protocol {

// What was negotiated, as far as it bears on requests. See admission_for() in offer.hpp.
struct Admission {
  std::uint64_t size = 0;                // bytes of the export
  std::uint32_t minimum = 1;             // bytes, a power of two: smallest block
  std::uint32_t max_payload = 1u << 25;  // bytes: largest read or write that is answered
  std::uint16_t transmission_flags = flag_has_flags;
  bool structured = false;         // replies to reads are structured
  bool base_allocation = false;    // the context was selected
  Flags offered = Flag::promises;  // request flags that the chain understands; it never sees another
};

// What the client asked of the form of the reply. No layer hears of it here, and none has to offer it.
struct ReplyForm {
  bool one_chunk = false;   // DF: a read's data in one piece
  bool one_extent = false;  // REQ_ONE: block status of one extent
  friend constexpr bool operator==(const ReplyForm&, const ReplyForm&) = default;
};

struct Verdict {
  enum class Kind : std::uint8_t {
    run,         // hand it to the chain as `op`; for flush, offset and length of the request mean nothing
    done,        // nothing to do: reply success
    refuse,      // reply `error` with `text`
    disconnect,  // the client is leaving: no reply; finish what is under way, then close
  };
  Kind kind = Kind::refuse;
  Op op = Op::read;           // of a known command, whatever the verdict
  Flags layer_flags;          // what the layers are told of the client's wishes: only flags that they offer
  ReplyForm form;             // what the reply has to be like, whatever the layers offer
  std::uint32_t payload = 0;  // bytes behind the header in the stream, to be read or drained whatever the verdict
  std::uint32_t error = error_none;
  const char* text = "";  // refuse: why; constant
};

// One command: how the protocol speaks of it and which rules it has.
struct CommandRule {
  Op op;
  std::uint16_t needs;         // transmission flag without which it must not be sent
  std::uint16_t flags;         // command flags that apply to it
  bool writes;                 // refused on a read-only export
  std::uint32_t out_of_range;  // error for a range that ends beyond the export
};

// Indexed by cmd_*; the row of cmd_disc is never looked at.
inline constexpr CommandRule command_rules[] = {
    {Op::read, 0, cmd_flag_fua | cmd_flag_df, false, error_einval},
    {Op::write, 0, cmd_flag_fua, true, error_enospc},
    {},
    {Op::flush, flag_send_flush, cmd_flag_fua, false, error_einval},
    {Op::trim, flag_send_trim, cmd_flag_fua, true, error_einval},
    {Op::cache, flag_send_cache, cmd_flag_fua, false, error_einval},
    {Op::zero, flag_send_write_zeroes, cmd_flag_fua | cmd_flag_no_hole | cmd_flag_fast_zero, true, error_enospc},
    {Op::extents, 0, cmd_flag_fua | cmd_flag_req_one, false, error_einval},
};

// Command flags that a client must not set unless the transmission flag next to them was sent.
constexpr std::uint16_t negotiated_flags(std::uint16_t transmission_flags) {
  std::uint32_t flags = cmd_flag_no_hole | cmd_flag_req_one;
  if (transmission_flags & flag_send_fua) flags |= cmd_flag_fua;
  if (transmission_flags & flag_send_df) flags |= cmd_flag_df;
  if (transmission_flags & flag_send_fast_zero) flags |= cmd_flag_fast_zero;
  return static_cast<std::uint16_t>(flags);
}

// The request's flags as the layers know them, whether they offer them or not. FUA means something only where something
// is written.
constexpr Flags layer_flags(const Request& request, const CommandRule& rule) {
  Flags flags;
  if (rule.writes && (request.flags & cmd_flag_fua)) flags |= Flag::fua;
  if (rule.op == Op::zero) {
    if (!(request.flags & cmd_flag_no_hole)) flags |= Flag::may_trim;
    if (request.flags & cmd_flag_fast_zero) flags |= Flag::fast;
  }
  if (request.flags & cmd_flag_req_one) flags |= Flag::req_one;
  return flags;
}

constexpr ReplyForm reply_form(const Request& request) {
  return {.one_chunk = (request.flags & cmd_flag_df) != 0, .one_extent = (request.flags & cmd_flag_req_one) != 0};
}

// Why a request is refused; error_none: it is not.
struct Refusal {
  std::uint32_t error = error_none;
  const char* text = "";
};

constexpr Refusal refuse_range(const Request& request, const Admission& in, const CommandRule& rule) {
  if (request.offset > in.size || request.length > in.size - request.offset)
    return {rule.out_of_range, "range ends beyond the export"};
  if (request.length == 0) return rule.op == Op::extents ? Refusal{error_einval, "length is 0"} : Refusal{};
  const std::uint64_t end = request.offset + request.length;
  const std::uint64_t within_block = in.minimum - 1;
  if ((request.offset & within_block) || ((end & within_block) && end != in.size))
    return {error_einval, "offset or length is not a multiple of the minimum block size"};
  if (request.length <= in.max_payload) return {};
  if (rule.op == Op::read)
    return {in.structured ? error_eoverflow : error_einval, "read is longer than the maximum payload"};
  return rule.op == Op::write ? Refusal{error_einval, "write is longer than the maximum payload"} : Refusal{};
}

// A write on a read-only export is EPERM whatever else is wrong with it, since that is what helps most.
constexpr Refusal refuse_command(const Request& request, const Admission& in, const CommandRule& rule) {
  if (rule.writes && (in.transmission_flags & flag_read_only)) return {error_eperm, "export is read-only"};
  if ((in.transmission_flags & rule.needs) != rule.needs) return {error_einval, "command was not offered"};
  if (rule.op == Op::extents && !in.base_allocation) return {error_einval, "no metadata context was selected"};
  if (request.flags & ~(rule.flags & negotiated_flags(in.transmission_flags)))
    return {error_einval, "flag is unknown, not for this command, or was not offered"};
  return rule.op == Op::flush ? Refusal{} : refuse_range(request, in, rule);
}

constexpr Verdict refused(Verdict verdict, const Refusal& why) {
  verdict.kind = Verdict::Kind::refuse;
  verdict.error = why.error;
  verdict.text = why.text;
  return verdict;
}

// Whether `type` is a command of the protocol that asks for something to be done.
constexpr bool is_command(std::uint16_t type) { return type <= cmd_block_status && type != cmd_disc; }

// Judges one request.
constexpr Verdict admit(const Request& request, const Admission& in) {
  Verdict verdict;
  if (request.type == cmd_disc) {
    verdict.kind = Verdict::Kind::disconnect;
    return verdict;
  }
  if (!is_command(request.type)) return refused(verdict, {error_einval, "unknown command"});
  const CommandRule& rule = command_rules[request.type];
  verdict.op = rule.op;
  if (rule.op == Op::write) verdict.payload = request.length;
  const Refusal refusal = refuse_command(request, in, rule);
  if (refusal.error != error_none) return refused(verdict, refusal);

  verdict.kind = request.length == 0 && rule.op != Op::flush ? Verdict::Kind::done : Verdict::Kind::run;
  verdict.layer_flags = layer_flags(request, rule) & in.offered;
  verdict.form = reply_form(request);
  return verdict;
}

}  // namespace ashlar::protocol
