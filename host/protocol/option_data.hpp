// Option data: what stands behind the header of the options that have data, taken apart and checked. Pure.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include "protocol/wire.hpp"

namespace ashlar::protocol {

// The only metadata context there is ("`base:allocation` metadata context").
inline constexpr std::string_view base_namespace = "base:";
inline constexpr std::string_view base_allocation_name = "base:allocation";

// Data of NBD_OPT_INFO and NBD_OPT_GO. Unknown information requests are ignored, repeated ones count once.
struct InfoRequest {
  std::string_view name;  // points into the data
  bool wants_name = false;
  bool wants_description = false;
  bool wants_block_size = false;
};

// Data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. Unknown namespaces and leaf names are ignored.
struct MetaRequest {
  std::string_view name;    // of the export; points into the data
  bool queries = false;     // there is at least one
  bool allocation = false;  // one asks for base:allocation
  bool wildcard = false;    // one asks for all of "base:"
};

// Each takes the data of one option. Returns why it is malformed, a constant text, or null when `out` is filled.
const char* parse_name(std::span<const std::byte> data, std::string_view& out);
const char* parse_info(std::span<const std::byte> data, InfoRequest& out);
const char* parse_meta(std::span<const std::byte> data, MetaRequest& out);

}  // namespace ashlar::protocol
