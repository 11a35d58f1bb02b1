#include "xz_format.hpp"

#include <lzma.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::xz {

namespace {

constexpr std::uint64_t index_memory = 512 << 20;  // of liblzma, while it reads the index
constexpr std::uint64_t block_memory = 128 << 20;  // likewise, while it unpacks a block; xz -9 needs 65 MiB

const char* text_of(lzma_ret code) {
  switch (code) {
    case LZMA_MEM_ERROR: return "out of memory";
    case LZMA_MEMLIMIT_ERROR: return "it needs too much memory";
    case LZMA_FORMAT_ERROR: return "it is no file of xz";
    case LZMA_OPTIONS_ERROR: return "it is of a kind that is not known";
    case LZMA_DATA_ERROR: return "it is damaged";
    case LZMA_BUF_ERROR: return "it is cut";
    default: return "it cannot be unpacked";
  }
}

bool holds(const frames::Below& below, std::uint64_t at, std::string_view text) {
  if (below.size() < at + text.size()) return false;
  std::vector<std::byte> there(text.size());
  below.read_now(at, there);
  return std::memcmp(there.data(), text.data(), text.size()) == 0;
}

// Throws std::invalid_argument. What liblzma says of a file that is cut is what it finds at its end: anything.
[[noreturn]] void refuse(lzma_ret code, const frames::Below& below, const frames::Index& index) {
  using namespace std::string_view_literals;
  const std::uint64_t size = below.size();
  const bool begins_well = holds(below, 0,
                                 "\xfd"
                                 "7zXZ\0"sv);
  // Behind the last stream there may be zeroes.
  const bool ends_well = begins_well && (holds(below, size - 2, "YZ"sv) || holds(below, size - 4, "\0\0\0\0"sv));
  if (begins_well && !ends_well)
    frames::Index::refuse_broken("the file is cut at byte " + std::to_string(size) +
                                 ", or damaged there: it does not end as a file of xz does");
  if (begins_well && (code == LZMA_FORMAT_ERROR || code == LZMA_DATA_ERROR || code == LZMA_BUF_ERROR))
    frames::Index::refuse_broken("the file is damaged: its index does not fit it");
  index.refuse(std::string("the file cannot be served: ") + text_of(code));
}

struct EndIndex {
  void operator()(lzma_index* index) const { lzma_index_end(index, nullptr); }
};
using OwnIndex = std::unique_ptr<lzma_index, EndIndex>;

// The indexes of all streams in the file, put together. Throws std::invalid_argument.
OwnIndex read_index(const frames::Below& below, const frames::Index& index) {
  lzma_stream stream = LZMA_STREAM_INIT;
  struct End {
    lzma_stream& stream;
    ~End() { lzma_end(&stream); }
  } end{stream};
  lzma_index* found = nullptr;
  if (lzma_file_info_decoder(&stream, &found, index_memory, below.size()) != LZMA_OK) throw std::bad_alloc();
  std::vector<std::byte> buffer(16384);
  std::uint64_t at = 0;
  for (;;) {
    if (stream.avail_in == 0 && at != below.size()) {
      const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), below.size() - at));
      below.read_now(at, part);
      at += part.size();
      stream.next_in = reinterpret_cast<const std::uint8_t*>(part.data());
      stream.avail_in = part.size();
    }
    const lzma_ret code = lzma_code(&stream, LZMA_RUN);
    if (code == LZMA_STREAM_END) return OwnIndex(found);
    if (code == LZMA_SEEK_NEEDED) {
      at = stream.seek_pos;
      stream.avail_in = 0;
    } else if (code == LZMA_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (code != LZMA_OK) {
      refuse(code, below, index);
    }
  }
}

}  // namespace

frames::Index XzFormat::index(const frames::Below& below, std::uint64_t longest) const {
  frames::Index index(longest, remedy);
  const OwnIndex found = read_index(below, index);
  lzma_index_iter one;
  lzma_index_iter_init(&one, found.get());
  while (lzma_index_iter_next(&one, LZMA_INDEX_ITER_BLOCK) == 0) {
    if (lzma_check_is_supported(one.stream.flags->check) == 0)
      index.refuse("the file has checks of a kind that is not known (" +
                   std::to_string(static_cast<int>(one.stream.flags->check)) + ")");
    index.add(one.block.compressed_file_offset, one.block.total_size, one.block.uncompressed_size,
              static_cast<std::uint32_t>(one.stream.flags->check));
  }
  index.refuse_one_large();
  return index;
}

frames::Outcome XzFormat::unpack(const frames::Frame& frame, std::span<const std::byte> packed,
                                 std::span<std::byte> into) noexcept {
  const auto* const in = reinterpret_cast<const std::uint8_t*>(packed.data());
  lzma_filter filters[LZMA_FILTERS_MAX + 1];
  lzma_block block{};
  block.version = 1;
  block.check = static_cast<lzma_check>(frame.tag);
  block.filters = filters;
  block.header_size = lzma_block_header_size_decode(in[0]);
  if (in[0] == 0 || block.header_size >= packed.size()) return {"it has no header", false};
  if (const lzma_ret code = lzma_block_header_decode(&block, nullptr, in); code != LZMA_OK)
    return {text_of(code), false};
  struct Free {
    lzma_filter* filters;
    ~Free() { lzma_filters_free(filters, nullptr); }
  } free_filters{filters};
  if (lzma_raw_decoder_memusage(filters) > block_memory) return {text_of(LZMA_MEMLIMIT_ERROR), false};
  std::size_t in_at = block.header_size, out_at = 0;
  const lzma_ret code = lzma_block_buffer_decode(&block, nullptr, in, &in_at, packed.size(),
                                                 reinterpret_cast<std::uint8_t*>(into.data()), &out_at, into.size());
  if (code == LZMA_BUF_ERROR || (code == LZMA_OK && out_at != into.size()))
    return {"it is not as long as the file says", true};
  if (code != LZMA_OK) return {text_of(code), false};
  return in_at == packed.size() ? frames::Outcome{} : frames::Outcome{"it has bytes behind it", false};
}

}  // namespace ashlar::xz
