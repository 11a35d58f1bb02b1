#include "segments.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

namespace ashlar::trace {

std::size_t read_at(int fd, void* into, std::size_t bytes, std::uint64_t position) {
  std::size_t done = 0;
  while (done != bytes) {
    const ssize_t n =
        ::pread(fd, static_cast<std::byte*>(into) + done, bytes - done, static_cast<off_t>(position + done));
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw std::system_error(errno, std::generic_category());
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::uint64_t size_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw std::system_error(errno, std::generic_category());
  return static_cast<std::uint64_t>(status.st_size);
}

std::optional<SegmentHeader> header_at(int fd, std::uint64_t position) {
  SegmentHeader header{};
  if (read_at(fd, &header, sizeof header, position) != sizeof header) return std::nullopt;
  const bool sound = std::memcmp(header.magic, magic, sizeof magic) == 0 && header.position == position &&
                     header.check == check_of(header) && header.header_bytes >= sizeof header &&
                     header.segment_bytes >= segment_step && header.segment_bytes % segment_step == 0 &&
                     header.segment_bytes <= INT64_MAX - position && header.header_bytes <= header.segment_bytes;
  return sound ? std::optional(header) : std::nullopt;
}

namespace {

// Where the first bytes stand from `position` on that are not in a hole of the file, rounded down to a step; `size`:
// nowhere. `position` itself where the file system does not tell.
std::uint64_t behind_hole(int fd, std::uint64_t position, std::uint64_t size) {
  const off_t data = ::lseek(fd, static_cast<off_t>(position), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? size : position;
  return std::max(position, static_cast<std::uint64_t>(data) / segment_step * segment_step);
}

}  // namespace

Segments segments_of(int fd) {
  Segments segments;
  const std::uint64_t size = size_of(fd);
  bool lost = false;
  for (std::uint64_t at = 0; at < size;) {
    if (const auto header = header_at(fd, at)) {
      segments.found.push_back(*header);
      at += header->segment_bytes;
      lost = false;
      continue;
    }
    if (!lost) segments.breaks.push_back(at);
    lost = true;
    at = behind_hole(fd, at + segment_step, size);
  }
  std::sort(segments.found.begin(), segments.found.end(),
            [](const SegmentHeader& a, const SegmentHeader& b) { return a.sequence < b.sequence; });
  return segments;
}

// Of what was read in one piece, entries are taken one after the other; the checks of those that are walked past do not
// matter here.
std::optional<std::uint64_t> end_of_entries(int fd, const SegmentHeader& segment) {
  constexpr std::uint64_t piece = 1 << 20;
  const std::uint64_t end = segment.position + segment.segment_bytes;
  std::vector<std::byte> bytes;
  std::uint64_t begin = 0;  // of what is in `bytes`
  for (std::uint64_t at = segment.position + segment.header_bytes; end - at >= sizeof(EntryHeader);) {
    if (at < begin || at + sizeof(EntryHeader) > begin + bytes.size()) {
      begin = at;
      bytes.resize(std::min(piece, end - at));
      bytes.resize(read_at(fd, bytes.data(), bytes.size(), at));
      if (bytes.empty()) return at;  // the file ends here
      if (bytes.size() < sizeof(EntryHeader)) return std::nullopt;
    }
    EntryHeader entry{};
    std::memcpy(&entry, bytes.data() + (at - begin), sizeof entry);
    if (entry.size == 0) return at;
    if (entry.size < sizeof entry || entry.size % 8 != 0 || entry.size > end - at) return std::nullopt;
    at += entry.size;
    const auto type = static_cast<EntryType>(entry.type);
    if (type == EntryType::end_of_segment || type == EntryType::end_of_run) return at;
  }
  return end;
}

bool is_at(const std::string& path, int fd) {
  struct stat there {
  }, here{};
  if (::stat(path.c_str(), &there) != 0) return errno != ENOENT && errno != ENOTDIR;
  return ::fstat(fd, &here) != 0 || (there.st_dev == here.st_dev && there.st_ino == here.st_ino);
}

}  // namespace ashlar::trace
