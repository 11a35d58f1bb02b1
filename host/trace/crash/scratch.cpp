#include "trace/crash/scratch.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "config/text.hpp"
#include "trace/interrupt.hpp"

namespace ashlar::host::traces {
namespace {

constexpr std::size_t piece = 1 << 20;
// Given to the image before somebody else has it: another one afterwards tells that it has been written to.
constexpr time_t untouched = 1;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0600)) {
    if (fd_ < 0) fail("cannot open " + in_quotes(path));
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

std::uint64_t size_of(int fd) {
  const off_t end = ::lseek(fd, 0, SEEK_END);
  if (end < 0) fail("cannot tell the size of the disk");
  return static_cast<std::uint64_t>(end);
}

void write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot write to the copy of the disk");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void zero_out(int fd, Range range) {
  const auto offset = static_cast<off_t>(range.begin), length = static_cast<off_t>(range.end - range.begin);
  if (length == 0 || ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0) return;
  const std::vector<std::byte> zeroes(piece);
  for (std::uint64_t at = range.begin; at != range.end;) {
    const std::uint64_t n = std::min<std::uint64_t>(piece, range.end - at);
    write_all(fd, std::span(zeroes).first(n), at);
    at += n;
  }
}

// Copies what is no hole. What `to` has there has to be zeroes.
void copy_data(int from, int to, Range range) {
  std::vector<std::byte> buffer(piece);
  for (std::uint64_t at = range.begin; at < range.end;) {
    Interrupt::check();
    const off_t data = ::lseek(from, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return;
    if (data >= 0) at = static_cast<std::uint64_t>(data);
    if (at >= range.end) return;
    const std::size_t wanted = std::min<std::uint64_t>(piece, range.end - at);
    const ssize_t n = ::pread(from, buffer.data(), wanted, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("cannot read the disk");
    write_all(to, std::span(buffer).first(static_cast<std::size_t>(n)), at);
    at += static_cast<std::uint64_t>(n);
  }
}

void copy_all(int from, int to, std::uint64_t size) {
  if (::ioctl(to, FICLONE, from) == 0) return;
  if (::ftruncate(to, 0) != 0 || ::ftruncate(to, static_cast<off_t>(size)) != 0) fail("cannot make a copy of the disk");
  copy_data(from, to, {0, size});
}

}  // namespace

Scratch::Scratch(const std::string& base, const std::string& folder) {
  const File from(base, O_RDONLY | O_NONBLOCK);
  struct stat kind {};
  if (::fstat(from.fd(), &kind) != 0) fail("cannot read " + in_quotes(base));
  if (!S_ISREG(kind.st_mode) && !S_ISBLK(kind.st_mode))
    throw std::runtime_error(in_quotes(base) + " is neither a file nor a block device");
  size_ = size_of(from.fd());
  folder_ = folder + "/ashlar-crash-XXXXXX";
  if (::mkdtemp(folder_.data()) == nullptr) {
    const int error = errno;
    folder_.clear();
    throw std::system_error(error, std::generic_category(), "cannot make a folder in " + in_quotes(folder));
  }
  image_path_ = folder_ + "/image";
  try {
    durable_ = ::open((folder_ + "/durable").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    image_ = ::open(image_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (durable_ < 0 || image_ < 0) fail("cannot make a file in " + in_quotes(folder_));
    copy_all(from.fd(), durable_, size_);
    copy_all(durable_, image_, size_);
  } catch (...) {
    remove();
    throw;
  }
}

Scratch::~Scratch() { remove(); }

void Scratch::remove() noexcept {
  for (const int fd : {durable_, image_})
    if (fd >= 0) ::close(fd);
  if (folder_.empty()) return;
  ::unlink((folder_ + "/durable").c_str());
  ::unlink(image_path_.c_str());
  ::rmdir(folder_.c_str());
}

void Scratch::write(int fd, Range range, std::span<const std::byte> bytes) const {
  range.end = std::min(range.end, size_);
  if (range.begin >= range.end) return;
  if (bytes.empty()) zero_out(fd, range);
  else write_all(fd, bytes.first(range.end - range.begin), range.begin);
}

void Scratch::make_durable(Range range, std::span<const std::byte> bytes) {
  write(durable_, range, bytes);
  write(image_, range, bytes);
}

void Scratch::put(Range range, std::span<const std::byte> bytes) {
  write(image_, range, bytes);
  put_.push_back(range);
}

void Scratch::hand_out() const {
  const timespec times[2] = {{untouched, 0}, {untouched, 0}};
  if (::futimens(image_, times) != 0) fail("cannot set the time of the copy of the disk");
}

void Scratch::restore() {
  struct stat here {
  }, there{};
  if (::fstat(image_, &here) != 0 || ::stat(image_path_.c_str(), &there) != 0 || here.st_ino != there.st_ino)
    throw std::runtime_error("the check has taken its image away; it may change it, but has to leave it where it is");
  if (here.st_mtim.tv_sec != untouched || static_cast<std::uint64_t>(here.st_size) != size_) {
    copy_all(durable_, image_, size_);
  } else {
    for (Range range : put_) {
      range.end = std::min(range.end, size_);
      if (range.begin >= range.end) continue;
      zero_out(image_, range);
      copy_data(durable_, image_, range);
    }
  }
  put_.clear();
}

void copy_disk(const std::string& from, const std::string& to) {
  const File source(from, O_RDONLY), target(to, O_WRONLY | O_CREAT | O_EXCL);
  copy_all(source.fd(), target.fd(), size_of(source.fd()));
}

}  // namespace ashlar::host::traces
