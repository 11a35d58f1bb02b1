#include "protocol/handshake.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/codec.hpp"
#include "protocol/offer.hpp"
#include "protocol/text.hpp"
#include "protocol/wire.hpp"

namespace ashlar::protocol {
namespace {

constexpr std::uint32_t allocation_id = 1;   // of base:allocation; any number would do
constexpr std::size_t max_reply_text = 512;  // bytes of an error's text: a line
// Bytes of a list that are laid out before they are sent; the last name may go beyond.
constexpr std::size_t list_part = 64u << 10;
constexpr const char* server_stops = "the server stops";
// Bytes of a sent output that are kept for the next one.
constexpr std::size_t most_kept = 4096;

std::byte* put_text(std::byte* out, std::string_view text) {
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

}  // namespace

Handshake::Handshake(Catalog& catalog, PayloadLimits max_payload, TlsMode tls)
    : catalog_(catalog), max_payload_(max_payload), tls_(tls) {
  std::byte* out = extend(greeting_size);
  put64(out, init_magic);
  put64(out + 8, option_magic);
  put16(out + 16, flag_fixed_newstyle | flag_no_zeroes);
}

std::size_t Handshake::max_message() { return option_header_size + max_option_data; }

std::size_t Handshake::feed(std::span<const std::byte> bytes) {
  std::size_t consumed = 0;
  while (state_ == State::talking && !list_) {
    const auto rest = bytes.subspan(consumed);
    std::size_t taken = 0;
    switch (stage_) {
      case Stage::client_flags: taken = take_client_flags(rest); break;
      case Stage::option: taken = take_option(rest); break;
      case Stage::drain: taken = take_drained(rest); break;
    }
    if (taken == 0) break;
    consumed += taken;
  }
  return consumed;
}

void Handshake::sent() {
  output_.clear();
  if (list_) list_some();
  else if (output_.capacity() > most_kept) output_.shrink_to_fit();
}

void Handshake::break_off() {
  if (stage_ == Stage::drain) end_early();
}

// Without C_FIXED_NEWSTYLE other options than EXPORT_NAME are honoured all the same, as the text allows.
std::size_t Handshake::take_client_flags(std::span<const std::byte> bytes) {
  if (bytes.size() < client_flags_size) return 0;
  const std::uint32_t flags = get32(bytes.data());
  fixed_newstyle_ = (flags & flag_c_fixed_newstyle) != 0;
  no_zeroes_ = (flags & flag_c_no_zeroes) != 0;
  stage_ = Stage::option;
  if (flags & ~(flag_c_fixed_newstyle | flag_c_no_zeroes)) close("unknown client flags");
  return client_flags_size;
}

std::size_t Handshake::take_option(std::span<const std::byte> bytes) {
  if (bytes.size() < option_header_size) return 0;
  const std::uint32_t option = get32(bytes.data() + 8);
  const std::uint32_t length = get32(bytes.data() + 12);
  if (get64(bytes.data()) != option_magic) {
    close("wrong magic where an option should begin");
    return option_header_size;
  }
  const std::optional<EarlyEnd> early = judge_header(option, length);
  if (!early && bytes.size() - option_header_size < length) return 0;

  option_ = option;
  if (option == opt_set_meta_context) selected_.reset();  // also by one that fails
  if (++options_ > max_options()) {
    close("too many options");
  } else if (output_.size() > max_unsent) {
    close("options sent without waiting for replies");
  } else if (early) {
    early_ = *early;
    drain_left_ = length;
    stage_ = Stage::drain;
    if (length == 0 || early->kind == EarlyEnd::Kind::close) end_early();
  } else {
    run_option(bytes.subspan(option_header_size, length));
    return option_header_size + length;
  }
  return option_header_size;
}

std::size_t Handshake::take_drained(std::span<const std::byte> bytes) {
  const std::size_t taken = std::min<std::size_t>(bytes.size(), drain_left_);
  drain_left_ -= static_cast<std::uint32_t>(taken);
  if (drain_left_ == 0) end_early();
  return taken;
}

std::optional<Handshake::EarlyEnd> Handshake::judge_header(std::uint32_t option, std::uint32_t length) const {
  using Kind = EarlyEnd::Kind;
  const auto refuse = [](std::uint32_t error, const char* text) { return EarlyEnd{Kind::refuse, error, text}; };
  if (const auto early = judge_tls(option, length)) return early;
  if (catalog_.stops() && option != opt_abort) {
    if (option == opt_export_name) return EarlyEnd{.kind = Kind::close, .text = server_stops};
    return refuse(rep_err_shutdown, server_stops);
  }
  switch (option) {
    case opt_export_name:  // has no error reply
      if (length > max_string) return EarlyEnd{.kind = Kind::close, .text = "export name longer than 4096 bytes"};
      return std::nullopt;
    case opt_abort:  // with data, too: "SHOULD ignore any data"
      return EarlyEnd{.kind = Kind::acknowledge_and_close, .text = "client aborted"};
    case opt_list:
    case opt_structured_reply:
      if (length != 0) return refuse(rep_err_invalid, "option takes no data");
      return std::nullopt;
    case opt_starttls: return std::nullopt;
    case opt_list_meta_context:
    case opt_set_meta_context:
      if (!structured_) return refuse(rep_err_invalid, "structured replies must be negotiated first");
      [[fallthrough]];
    case opt_info:
    case opt_go:
      if (length > max_option_data) return refuse(rep_err_too_big, "option has too much data");
      return std::nullopt;
    default: return refuse(rep_err_unsup, "option is unknown");
  }
}

// What is decided by TLS, as it is spoken or not. FORCEDTLS: "If the server receives any other option, including
// NBD_OPT_INFO and unsupported options, it MUST reply with NBD_REP_ERR_TLS_REQD".
std::optional<Handshake::EarlyEnd> Handshake::judge_tls(std::uint32_t option, std::uint32_t length) const {
  using Kind = EarlyEnd::Kind;
  const auto refuse = [](std::uint32_t error, const char* text) { return EarlyEnd{Kind::refuse, error, text}; };
  if (option == opt_starttls) {
    if (length != 0) return refuse(rep_err_invalid, "option takes no data");
    if (tls_ == TlsMode::off) return refuse(rep_err_unsup, "TLS is not supported");
    if (secured_) return refuse(rep_err_invalid, "TLS is spoken already");
    if (!fixed_newstyle_) return refuse(rep_err_policy, "TLS needs the flag C_FIXED_NEWSTYLE");
    return std::nullopt;
  }
  if (tls_ != TlsMode::require || secured_ || option == opt_abort) return std::nullopt;
  if (option == opt_export_name) return EarlyEnd{.kind = Kind::close, .text = "TLS is required", .for_tls = true};
  // A client without the flag must not be told of TLS (proto.md, "Server-side requirements").
  auto early = fixed_newstyle_ ? refuse(rep_err_tls_reqd, "TLS is required: use STARTTLS")
                               : refuse(rep_err_policy, "TLS is required, which needs the flag C_FIXED_NEWSTYLE");
  early.for_tls = true;
  return early;
}

void Handshake::end_early() {
  stage_ = Stage::option;
  if (early_.for_tls) refused_without_tls_ = true;
  switch (early_.kind) {
    case EarlyEnd::Kind::refuse: return reply_error(early_.error, early_.text);
    case EarlyEnd::Kind::acknowledge_and_close: reply(rep_ack, 0); return close(early_.text);
    case EarlyEnd::Kind::close: return close(early_.text);
  }
}

// An option whose data judge_header() wants looked at.
void Handshake::run_option(std::span<const std::byte> data) {
  switch (option_) {
    case opt_export_name: return export_name(data);
    case opt_list: list_.emplace(); return list_some();
    case opt_starttls:
      reply(rep_ack, 0);
      state_ = State::upgrade;
      return;
    case opt_structured_reply:
      structured_ = true;
      reply(rep_ack, 0);
      return;
    case opt_info:
    case opt_go: return info_or_go(data);
    case opt_list_meta_context:
    case opt_set_meta_context: return meta_context(data);
  }
}

// "the server MUST NOT preserve any negotiation state": what was said in plain may have been said by anybody.
void Handshake::secured() {
  secured_ = true;
  structured_ = false;
  selected_.reset();
  state_ = State::talking;
}

// An error cannot be replied to this option: "the server MUST terminate the session".
void Handshake::export_name(std::span<const std::byte> data) {
  std::string_view name;
  if (const char* error = parse_name(data, name)) return close(error);
  const auto index = find(name);
  const Catalog::Opened opened = index ? catalog_.open(*index, name) : Catalog::Opened{.is_there = false};
  if (!opened.is_there) {
    catalog_.unknown(name);
    return close("unknown export");
  }
  if (!opened.geometry) return close("export cannot be opened: " + opened.error);
  if (const std::string error = catalog_.enter(); !error.empty()) return close("export cannot be opened: " + error);
  enter_transmission({*index, opened.geometry});
  std::byte* out = extend(10 + (no_zeroes_ ? 0 : export_name_padding));
  put64(out, opened.geometry->size);
  put16(out + 8, agreement_.transmission_flags);
}

// A list that was made while the server stops may lack what there is.
void Handshake::list_some() {
  const bool all = !catalog_.stops() && list_more();
  if (catalog_.stops()) {
    list_.reset();
    return reply_error(rep_err_shutdown, server_stops);
  }
  if (!all) return;
  most_listed_ = std::max(most_listed_, list_->of_templates);
  list_.reset();
  reply(rep_ack, 0);
}

// Whether the list is at its end.
bool Handshake::list_more() {
  for (List& list = *list_; list.next < catalog_.size(); ++list.next) {
    if (hides(list.next)) continue;
    if (!catalog_.is_template(list.next)) {
      if (output_.size() >= list_part) return false;
      list_one(catalog_.name(list.next), catalog_.description(list.next));
      continue;
    }
    if (!list.names) {
      list.names = catalog_.listed(list.next, max_listed - list.of_templates);
      if (!list.names) continue;
      list.of_templates += list.names->size();
    }
    for (; list.next_name < list.names->size(); ++list.next_name) {
      if (output_.size() >= list_part) return false;
      const Catalog::Listed& one = (*list.names)[list.next_name];
      list_one(one.name, one.description.empty() ? catalog_.description(list.next) : one.description);
    }
    list.names.reset();
    list.next_name = 0;
  }
  return true;
}

void Handshake::list_one(std::string_view name, std::string_view description) {
  description = cut_text(description, max_string);
  std::byte* out = reply(rep_server, 4 + name.size() + description.size());
  out += put32(out, static_cast<std::uint32_t>(name.size()));
  put_text(put_text(out, name), description);
}

void Handshake::info_or_go(std::span<const std::byte> data) {
  InfoRequest request;
  if (const char* error = parse_info(data, request)) return reply_error(rep_err_invalid, error);
  const Chosen chosen = choose(request.name);
  if (!chosen.geometry) return;
  if (option_ == opt_go)
    if (const std::string error = catalog_.enter(); !error.empty()) return not_to_be_had(error);
  send_info(request, chosen);
  reply(rep_ack, 0);
  if (option_ == opt_go) enter_transmission(chosen);
}

void Handshake::send_info(const InfoRequest& request, const Chosen& chosen) {
  std::byte* out = reply(rep_info, 12);
  out += put16(out, info_export);
  out += put64(out, chosen.geometry->size);
  put16(out, transmission_flags(*chosen.geometry, structured_));

  const auto send_text = [this](std::uint16_t item, std::string_view text) {
    std::byte* to = reply(rep_info, 2 + text.size());
    put_text(to + put16(to, item), text);
  };
  if (request.wants_name) send_text(info_name, catalog_.name(chosen.index));
  const std::string_view description = cut_text(catalog_.description(chosen.index), max_string);
  if (request.wants_description && !description.empty()) send_text(info_description, description);

  const BlockSizes sizes = block_sizes(*chosen.geometry, max_payload_);
  if (!request.wants_block_size && are_default(sizes)) return;
  out = reply(rep_info, 14);
  out += put16(out, info_block_size);
  out += put32(out, sizes.minimum);
  out += put32(out, sizes.preferred);
  put32(out, sizes.max_payload);
}

void Handshake::meta_context(std::span<const std::byte> data) {
  const bool set = option_ == opt_set_meta_context;
  MetaRequest request;
  if (const char* error = parse_meta(data, request)) return reply_error(rep_err_invalid, error);
  const Chosen chosen = choose(request.name);
  if (!chosen.geometry) return;

  const bool matches = request.allocation || (!set && (request.wildcard || !request.queries));
  if (matches && chosen.geometry->ops.has(Ops{Op::extents})) {
    std::byte* out = reply(rep_meta_context, 4 + base_allocation_name.size());
    out += put32(out, set ? allocation_id : 0);
    put_text(out, base_allocation_name);
    if (set) selected_ = chosen.index;
  }
  reply(rep_ack, 0);
}

// The export a client asks for; one that is only for TLS is not there for who does not speak it.
std::optional<std::size_t> Handshake::find(std::string_view name) {
  const auto index = find_export(catalog_, name);
  return index && hides(*index) ? std::nullopt : index;
}

bool Handshake::hides_any() const {
  for (std::size_t i = 0; i < catalog_.size(); ++i)
    if (hides(i)) return true;
  return false;
}

// Finds and opens the export of an option that can reply errors. One that is there but cannot be opened is answered
// with POLICY: UNKNOWN makes clients tell their users that there is no such export, PLATFORM that the server lacks the
// option. Where any export is only for TLS, a name that is none is answered as its name would be, so that nobody learns
// names; TLS_REQD is for INFO and GO alone (proto.md, "SELECTIVETLS mode").
Handshake::Chosen Handshake::choose(std::string_view name) {
  const auto index = find(name);
  const Catalog::Opened opened = index ? catalog_.open(*index, name) : Catalog::Opened{.is_there = false};
  if (!opened.is_there) {
    not_there(name);
    return {};
  }
  if (!opened.geometry) not_to_be_had(opened.error);
  return {*index, opened.geometry};
}

void Handshake::not_there(std::string_view name) {
  const bool may_tell = (option_ == opt_info || option_ == opt_go) && fixed_newstyle_;
  if (may_tell && hides_any()) {
    refused_without_tls_ = true;
    return reply_error(rep_err_tls_reqd, "TLS is required for this name: use STARTTLS");
  }
  catalog_.unknown(name);
  reply_error(rep_err_unknown, "unknown export");
}

void Handshake::not_to_be_had(std::string_view why) {
  reply_error(catalog_.stops() ? rep_err_shutdown : rep_err_policy, why);
}

void Handshake::enter_transmission(const Chosen& chosen) {
  agreement_.export_index = chosen.index;
  agreement_.structured_replies = structured_;
  agreement_.base_allocation = selected_ == chosen.index;
  agreement_.allocation_context = agreement_.base_allocation ? allocation_id : 0;
  agreement_.transmission_flags = transmission_flags(*chosen.geometry, structured_);
  state_ = State::transmission;
}

void Handshake::close(std::string reason) {
  state_ = State::closed;
  reason_ = std::move(reason);
}

// Room for `bytes` at the end of the output, zeroed.
std::byte* Handshake::extend(std::size_t bytes) {
  output_.resize(output_.size() + bytes);
  return output_.data() + output_.size() - bytes;
}

// Puts the header of a reply to the option under way; returns where its data goes.
std::byte* Handshake::reply(std::uint32_t type, std::size_t data_bytes) {
  std::byte* out = extend(option_reply_header_size + data_bytes);
  out += put64(out, option_reply_magic);
  out += put32(out, option_);
  out += put32(out, type);
  return out + put32(out, static_cast<std::uint32_t>(data_bytes));
}

void Handshake::reply_error(std::uint32_t type, std::string_view text) {
  const std::string clean = to_text(cut_text(text, max_reply_text));
  put_text(reply(type, clean.size()), clean);
}

}  // namespace ashlar::protocol
