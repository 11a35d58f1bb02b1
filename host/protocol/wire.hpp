// Wire: the numbers of the NBD protocol, under its own names without the NBD_ and in lower case. Each group names its
// section of the protocol's text (doc/proto.md of the reference implementation).
#pragma once
#include <cstddef>
#include <cstdint>

namespace ashlar::protocol {

// "Newstyle negotiation", "Fixed newstyle negotiation"
inline constexpr std::uint64_t init_magic = 0x4e42444d41474943;    // "NBDMAGIC", opens the greeting
inline constexpr std::uint64_t option_magic = 0x49484156454f5054;  // "IHAVEOPT", in the greeting and before each option
inline constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;
inline constexpr std::size_t greeting_size = 18;             // bytes: both magics, handshake flags
inline constexpr std::size_t client_flags_size = 4;          // bytes
inline constexpr std::size_t option_header_size = 16;        // bytes: magic, option, length
inline constexpr std::size_t option_reply_header_size = 20;  // bytes: magic, option, reply type, length
inline constexpr std::size_t export_name_padding = 124;      // zero bytes behind the reply to EXPORT_NAME

// "Conventions"
inline constexpr std::uint32_t max_string = 4096;  // bytes: names, descriptions, queries, error texts

// "Handshake flags", "Client flags"
inline constexpr std::uint16_t flag_fixed_newstyle = 1u << 0;
inline constexpr std::uint16_t flag_no_zeroes = 1u << 1;
inline constexpr std::uint32_t flag_c_fixed_newstyle = 1u << 0;
inline constexpr std::uint32_t flag_c_no_zeroes = 1u << 1;

// "Transmission flags"
inline constexpr std::uint16_t flag_has_flags = 1u << 0;
inline constexpr std::uint16_t flag_read_only = 1u << 1;
inline constexpr std::uint16_t flag_send_flush = 1u << 2;
inline constexpr std::uint16_t flag_send_fua = 1u << 3;
inline constexpr std::uint16_t flag_rotational = 1u << 4;
inline constexpr std::uint16_t flag_send_trim = 1u << 5;
inline constexpr std::uint16_t flag_send_write_zeroes = 1u << 6;
inline constexpr std::uint16_t flag_send_df = 1u << 7;
inline constexpr std::uint16_t flag_can_multi_conn = 1u << 8;
inline constexpr std::uint16_t flag_send_cache = 1u << 10;
inline constexpr std::uint16_t flag_send_fast_zero = 1u << 11;

// "Option types"
inline constexpr std::uint32_t opt_export_name = 1;
inline constexpr std::uint32_t opt_abort = 2;
inline constexpr std::uint32_t opt_list = 3;
inline constexpr std::uint32_t opt_starttls = 5;
inline constexpr std::uint32_t opt_info = 6;
inline constexpr std::uint32_t opt_go = 7;
inline constexpr std::uint32_t opt_structured_reply = 8;
inline constexpr std::uint32_t opt_list_meta_context = 9;
inline constexpr std::uint32_t opt_set_meta_context = 10;

// "Option reply types"
inline constexpr std::uint32_t rep_ack = 1;
inline constexpr std::uint32_t rep_server = 2;
inline constexpr std::uint32_t rep_info = 3;
inline constexpr std::uint32_t rep_meta_context = 4;
inline constexpr std::uint32_t rep_err_unsup = 0x80000001;
inline constexpr std::uint32_t rep_err_policy = 0x80000002;
inline constexpr std::uint32_t rep_err_invalid = 0x80000003;
inline constexpr std::uint32_t rep_err_tls_reqd = 0x80000005;
inline constexpr std::uint32_t rep_err_unknown = 0x80000006;
inline constexpr std::uint32_t rep_err_shutdown = 0x80000007;
inline constexpr std::uint32_t rep_err_too_big = 0x80000009;

// "Option reply types", NBD_REP_INFO
inline constexpr std::uint16_t info_export = 0;
inline constexpr std::uint16_t info_name = 1;
inline constexpr std::uint16_t info_description = 2;
inline constexpr std::uint16_t info_block_size = 3;

// "Size constraints": what a client may assume that was told nothing
inline constexpr std::uint32_t default_minimum = 1;             // bytes
inline constexpr std::uint32_t default_preferred = 4096;        // bytes
inline constexpr std::uint32_t default_max_payload = 1u << 25;  // bytes; larger is within the default, too
inline constexpr std::uint32_t least_preferred = 512;           // bytes

// "Request message", "Simple reply message", "Structured reply chunk message"
inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t simple_reply_magic = 0x67446698;
inline constexpr std::uint32_t structured_reply_magic = 0x668e33ef;
inline constexpr std::size_t request_size = 28;       // bytes
inline constexpr std::size_t simple_reply_size = 16;  // bytes
inline constexpr std::size_t chunk_header_size = 20;  // bytes

// "Request types"
inline constexpr std::uint16_t cmd_read = 0;
inline constexpr std::uint16_t cmd_write = 1;
inline constexpr std::uint16_t cmd_disc = 2;
inline constexpr std::uint16_t cmd_flush = 3;
inline constexpr std::uint16_t cmd_trim = 4;
inline constexpr std::uint16_t cmd_cache = 5;
inline constexpr std::uint16_t cmd_write_zeroes = 6;
inline constexpr std::uint16_t cmd_block_status = 7;

// "Command flags"
inline constexpr std::uint16_t cmd_flag_fua = 1u << 0;
inline constexpr std::uint16_t cmd_flag_no_hole = 1u << 1;
inline constexpr std::uint16_t cmd_flag_df = 1u << 2;
inline constexpr std::uint16_t cmd_flag_req_one = 1u << 3;
inline constexpr std::uint16_t cmd_flag_fast_zero = 1u << 4;

// "Structured reply flags", "Structured reply types"
inline constexpr std::uint16_t reply_flag_done = 1u << 0;
inline constexpr std::uint16_t reply_type_none = 0;
inline constexpr std::uint16_t reply_type_offset_data = 1;
inline constexpr std::uint16_t reply_type_offset_hole = 2;
inline constexpr std::uint16_t reply_type_block_status = 5;
inline constexpr std::uint16_t reply_type_error = (1u << 15) + 1;
inline constexpr std::uint32_t max_status_descriptors = 1u << 20;  // in one chunk

// "`base:allocation` metadata context"
inline constexpr std::uint32_t state_hole = 1u << 0;
inline constexpr std::uint32_t state_zero = 1u << 1;

// "Error values"; lower case also because errno.h owns the others. Equal to Linux's by design of the protocol.
inline constexpr std::uint32_t error_none = 0;
inline constexpr std::uint32_t error_eperm = 1;
inline constexpr std::uint32_t error_eio = 5;
inline constexpr std::uint32_t error_enomem = 12;
inline constexpr std::uint32_t error_einval = 22;
inline constexpr std::uint32_t error_enospc = 28;
inline constexpr std::uint32_t error_eoverflow = 75;
inline constexpr std::uint32_t error_enotsup = 95;
inline constexpr std::uint32_t error_eshutdown = 108;

}  // namespace ashlar::protocol
