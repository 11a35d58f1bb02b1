#include "settings.hpp"

#include <algorithm>
#include <ashlar/rules/size.hpp>
#include <bit>
#include <fileops/temporary.hpp>
#include <stdexcept>
#include <system_error>

namespace ashlar::caching {

namespace {

constexpr std::uint64_t usual_ahead = 4 << 20;
constexpr std::uint64_t usual_dirty = 64 << 20;
constexpr std::uint64_t most_blocks = std::uint64_t{1} << 30;

std::uint64_t ahead_of(std::string_view text) {
  if (text == "auto") return usual_ahead;
  if (text == "off") return 0;
  std::uint64_t bytes = 0;
  try {
    bytes = static_cast<std::uint64_t>(rules::parse_size(text));
  } catch (const std::invalid_argument& e) {
    throw BadParameter("readahead", std::string("readahead: ") + e.what() + "; or write \"auto\" or \"off\"");
  }
  if (bytes > 32 << 20) throw BadParameter("readahead", "readahead = " + std::string(text) + " is more than 32M");
  return bytes;
}

// Told before the server takes clients, and by `ashlar check`, too.
void must_be_folder(const std::string& folder) {
  try {
    fileops::must_be_folder(folder);
  } catch (const std::system_error& e) {
    throw BadParameter("store", e.what(), e.code().value());
  }
}

}  // namespace

Settings::Settings(const Params& params)
    : bytes(params.size("size")),
      block(params.size("block_size")),
      back(params.choice("write") == "back"),
      most_dirty(params.has("max_dirty") ? params.size("max_dirty") : std::min(usual_dirty, bytes / 2)),
      most_ahead(std::min(ahead_of(params.text("readahead")), bytes / 16)),
      folder(params.path("store")),
      has_warm(params.has("warm")) {
  const std::string ours = "block_size = " + std::to_string(block);
  if (!std::has_single_bit(block)) throw BadParameter("block_size", ours + " is not a power of two");
  if (bytes / block < 16)
    throw BadParameter("size", "size = " + std::to_string(bytes) + " is less than 16 blocks of " +
                                   std::to_string(block) + " bytes (block_size)");
  if (bytes / block > most_blocks) throw BadParameter("block_size", ours + " is too little for so large a size");
  if (params.has("max_dirty") && !back) throw BadParameter("max_dirty", "max_dirty needs write = \"back\"");
  if (most_dirty > bytes / 2)
    throw BadParameter("max_dirty", "max_dirty = " + std::to_string(most_dirty) +
                                        " is more than half of size = " + std::to_string(bytes));
  if (!folder.empty()) must_be_folder(folder);
  if (has_warm) warm = WarmList::read(std::string(params.path("warm")));
}

}  // namespace ashlar::caching
