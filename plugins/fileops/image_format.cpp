#include "image_format.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "fd.hpp"

namespace ashlar::fileops {
namespace {

constexpr std::size_t looked_at = 512;

std::string_view bytes_at(int fd, off_t offset, std::array<char, looked_at>& into) {
  const ssize_t n = ::pread(fd, into.data(), into.size(), offset);
  return {into.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

// Where a format's mark stands, and what it is.
struct Mark {
  const char* format;
  std::size_t offset;
  std::string_view bytes;
};

using namespace std::string_view_literals;

constexpr Mark marks[] = {
    {"qcow", 0, "QFI\xfb\0\0\0\1"sv},
    {"qcow2", 0, "QFI\xfb"sv},
    {"qed", 0, "QED\0"sv},
    {"vmdk", 0, "KDMV"sv},
    {"vmdk", 0, "COWD"sv},
    {"vmdk", 0, "# Disk DescriptorFile"sv},
    {"vhdx", 0, "vhdxfile"sv},
    {"vpc", 0, "conectix"sv},
    {"vdi", 64, "\x7f\x10\xda\xbe"sv},
    {"parallels", 0, "WithoutFreeSpace"sv},
    {"parallels", 0, "WithouFreSpacExt"sv},
};

// Of an image that was given all its space at once the mark of vpc stands at the end alone.
constexpr std::string_view footer = "conectix";

}  // namespace

const char* image_format(std::string_view head, std::string_view tail) {
  for (const Mark& mark : marks)
    if (head.size() > mark.offset && head.substr(mark.offset).starts_with(mark.bytes)) return mark.format;
  return tail.starts_with(footer) ? "vpc" : nullptr;
}

void FormatHint::give() const noexcept {
  const Fd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return;
  std::array<char, looked_at> first, last;
  const off_t end = ::lseek(fd.get(), 0, SEEK_END);
  const std::string_view head = bytes_at(fd.get(), 0, first);
  const std::string_view tail = bytes_at(fd.get(), std::max<off_t>(end, looked_at) - off_t{looked_at}, last);
  const char* const format = image_format(head, tail);
  if (format == nullptr) return;
  host_.log(Level::warn,
            "'%s' is a %s image, and clients get the bytes that it is made of, not the disk that is in it; "
            "qemu-img convert -f %s -O raw makes an image of that disk",
            path_.c_str(), format, format);
}

}  // namespace ashlar::fileops
