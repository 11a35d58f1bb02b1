#include "walk.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "little_endian.hpp"
#include "seek_table.hpp"

namespace ashlar::zstd {

namespace {

// Looks at a few bytes here and there, in order.
class Window {
 public:
  explicit Window(const frames::Below& below) : below_(below) {}
  std::uint64_t size() const { return below_.size(); }
  std::uint64_t left(std::uint64_t at) const { return below_.size() - at; }
  // Fewer, where the file ends.
  std::span<const std::byte> at(std::uint64_t offset, std::uint64_t n) {
    n = std::min(n, left(offset));
    if (offset < begin_ || offset + n > begin_ + length_) {
      begin_ = offset;
      length_ = std::min<std::uint64_t>(buffer_.size(), left(offset));
      below_.read_now(begin_, std::span(buffer_).first(length_));
    }
    return std::span(buffer_).subspan(offset - begin_, n);
  }

 private:
  const frames::Below& below_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(4096);
  std::uint64_t begin_ = 0, length_ = 0;
};

struct Header {
  std::uint64_t bytes, content;
  bool checksum;
};

[[noreturn]] void refuse_at(const frames::Index& index, std::uint64_t at, const std::string& what) {
  index.refuse("at byte " + std::to_string(at) + " " + what);
}

[[noreturn]] void refuse_cut(const Window& window) {
  frames::Index::refuse_broken("the file is cut at byte " + std::to_string(window.size()) +
                               ", in the middle of a frame");
}

// Of the frame at `at` (RFC 8878, 3.1.1.1).
Header header_at(Window& window, const frames::Index& index, std::uint64_t at) {
  const auto bytes = window.at(at, 18);
  if (bytes.size() < 6) refuse_cut(window);
  const auto descriptor = static_cast<unsigned>(bytes[4]);
  if ((descriptor & 8) != 0) refuse_at(index, at, "is a frame of a kind that is not known");
  const bool single = (descriptor & 0x20) != 0;
  if ((descriptor & 3) != 0) refuse_at(index, at, "is a frame that needs a dictionary");
  static constexpr std::uint64_t sizes[] = {0, 2, 4, 8};
  const std::uint64_t content_bytes = descriptor >> 6 == 0 && single ? 1 : sizes[descriptor >> 6];
  if (content_bytes == 0) refuse_at(index, at, "is a frame that does not state its size");
  const std::uint64_t before = 5 + (single ? 0 : 1);
  if (bytes.size() < before + content_bytes) refuse_cut(window);
  const std::uint64_t content = little_endian(bytes.subspan(before, content_bytes)) + (content_bytes == 2 ? 256 : 0);
  return {before + content_bytes, content, (descriptor & 4) != 0};
}

// Where the frame ends whose blocks begin at `at`.
std::uint64_t end_of_blocks(Window& window, std::uint64_t at) {
  for (bool last = false; !last;) {
    const auto bytes = window.at(at, 3);
    if (bytes.size() < 3) refuse_cut(window);
    const std::uint64_t header = little_endian(bytes);
    const std::uint64_t type = header >> 1 & 3;
    if (type == 3)
      frames::Index::refuse_broken("the file is damaged: at byte " + std::to_string(at) + " is no block of a frame");
    last = (header & 1) != 0;
    const std::uint64_t length = 3 + (type == 1 ? 1 : header >> 3);
    if (length > window.left(at)) refuse_cut(window);
    at += length;
  }
  return at;
}

}  // namespace

void walk_frames(const frames::Below& below, frames::Index& index) {
  Window window(below);
  if (below.size() == 0) index.refuse("the file is empty");
  for (std::uint64_t at = 0; at != below.size();) {
    const auto start = window.at(at, 8);
    const std::uint64_t magic = start.size() < 4 ? 0 : little_endian(start.first(4));
    if ((magic & ~std::uint64_t{15}) == skippable_magic) {
      if (start.size() < 8 || little_endian(start.subspan(4)) > window.left(at) - 8) refuse_cut(window);
      at += 8 + little_endian(start.subspan(4));
      continue;
    }
    if (magic != frame_magic) {
      if (at == 0) refuse_at(index, at, "is no frame of zstd");
      if (start.size() < 4) refuse_cut(window);
      frames::Index::refuse_broken("the file is damaged: at byte " + std::to_string(at) + " is no frame of zstd");
    }
    const Header header = header_at(window, index, at);
    const std::uint64_t end = end_of_blocks(window, at + header.bytes) + (header.checksum ? 4 : 0);
    if (end > below.size()) refuse_cut(window);
    index.add(at, end - at, header.content, no_checksum);
    at = end;
  }
  index.refuse_one_large();
}

}  // namespace ashlar::zstd
