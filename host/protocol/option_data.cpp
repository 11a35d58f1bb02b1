#include "protocol/option_data.hpp"

#include "protocol/codec.hpp"
#include "protocol/text.hpp"

namespace ashlar::protocol {
namespace {

constexpr const char* bad_length = "lengths within the option do not add up";

// Takes numbers and strings off the front; a failed take leaves nothing to be taken.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> data) : data_(data) {}

  bool take16(std::uint32_t& out) {
    if (data_.size() < 2) return false;
    out = get16(data_.data());
    data_ = data_.subspan(2);
    return true;
  }
  bool take32(std::uint32_t& out) {
    if (data_.size() < 4) return false;
    out = get32(data_.data());
    data_ = data_.subspan(4);
    return true;
  }
  // A string behind its length; returns why not, or null.
  const char* take_string(std::string_view& out) {
    std::uint32_t length = 0;
    if (!take32(length) || length > data_.size()) return bad_length;
    const char* error = parse_name(data_.first(length), out);
    data_ = data_.subspan(length);
    return error;
  }
  bool empty() const { return data_.empty(); }
  std::size_t left() const { return data_.size(); }

 private:
  std::span<const std::byte> data_;
};

const char* take_query(std::string_view query, MetaRequest& out) {
  const std::size_t colon = query.find(':');
  if (colon == std::string_view::npos || colon == 0) return "a query lacks its namespace";
  out.queries = true;
  if (query == base_allocation_name) out.allocation = true;
  if (query == base_namespace) out.wildcard = true;
  return nullptr;
}

}  // namespace

const char* parse_name(std::span<const std::byte> data, std::string_view& out) {
  if (data.size() > max_string) return "a string is longer than 4096 bytes";
  out = {reinterpret_cast<const char*>(data.data()), data.size()};
  return is_text(out) ? nullptr : "a string is not UTF-8 or has a NUL";
}

const char* parse_info(std::span<const std::byte> data, InfoRequest& out) {
  Reader reader(data);
  if (const char* error = reader.take_string(out.name)) return error;
  std::uint32_t count = 0;
  if (!reader.take16(count) || reader.left() != 2 * count) return bad_length;
  for (std::uint32_t item = 0; reader.take16(item);) {
    if (item == info_name) out.wants_name = true;
    if (item == info_description) out.wants_description = true;
    if (item == info_block_size) out.wants_block_size = true;
  }
  return nullptr;
}

const char* parse_meta(std::span<const std::byte> data, MetaRequest& out) {
  Reader reader(data);
  if (const char* error = reader.take_string(out.name)) return error;
  std::uint32_t count = 0;
  if (!reader.take32(count)) return bad_length;
  for (; count > 0 && !reader.empty(); --count) {  // a claimed count costs nothing: each query takes at least 4 bytes
    std::string_view query;
    if (const char* error = reader.take_string(query)) return error;
    if (const char* error = take_query(query, out)) return error;
  }
  return count == 0 && reader.empty() ? nullptr : bad_length;
}

}  // namespace ashlar::protocol
