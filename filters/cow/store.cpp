#include "store.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fileops/at_once.hpp>
#include <fileops/temporary.hpp>
#include <fileops/zero_plan.hpp>
#include <limits>
#include <stdexcept>
#include <system_error>

#include "map.hpp"

using namespace ashlar;
using fileops::Fd;

namespace {

constexpr char magic[8] = {'a', 's', 'h', 'l', 'a', 'r', 'c', '1'};
constexpr std::uint64_t header_bytes = 4096;

[[noreturn]] void fail(const std::string& what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

// The header as it lies in the file, little-endian as all machines that ashlar runs on.
struct OnDisk {
  char magic[8];
  std::uint32_t block, state;
  std::uint64_t size, fingerprint, check;

  std::uint64_t sum() const {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (std::size_t i = 0; i != offsetof(OnDisk, check); ++i)
      hash = (hash ^ reinterpret_cast<const unsigned char*>(this)[i]) * 0x100000001b3;
    return hash;
  }
};

std::array<std::byte, header_bytes> bytes_of(const Header& header) {
  OnDisk disk{{}, header.block, static_cast<std::uint32_t>(header.state), header.size, header.fingerprint, 0};
  std::memcpy(disk.magic, magic, sizeof magic);
  disk.check = disk.sum();
  std::array<std::byte, header_bytes> bytes{};
  std::memcpy(bytes.data(), &disk, sizeof disk);
  return bytes;
}

Header read_header(int fd, const std::string& path) {
  OnDisk disk{};
  if (::pread(fd, &disk, sizeof disk, 0) < 0) fail("cannot read " + path);
  if (std::memcmp(disk.magic, magic, sizeof magic) != 0)
    throw std::runtime_error(path + " is no overlay of this filter");
  if (disk.check != disk.sum() || disk.state > 2)
    throw std::runtime_error("the header of " + path + " is broken (its checksum is wrong)");
  return {disk.block, static_cast<Header::State>(disk.state), disk.size, disk.fingerprint};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

void sync_folder_of(const std::string& path) {
  const Fd folder{::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder.valid() || ::fsync(folder.get()) != 0) fail("cannot make " + path + " durable in its folder");
}

// Room for the header and the map is taken at once: what was written could not be flushed, nor be discarded, on a disk
// that is full by then. Returns errno; where the file system has no such call, they are as they are.
int take_room(int fd, std::uint64_t bytes) {
  fileops::Syscalls syscalls;
  const int error = -fileops::retry([&] { return syscalls.fallocate(fd, 0, 0, bytes); });
  return fileops::verdict(error) == fileops::Verdict::unsupported ? 0 : error;
}

// There is no file at `path`; then there is nothing that only seems to be none.
void must_not_lead_nowhere(const std::string& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) == 0 && S_ISLNK(facts.st_mode))
    throw std::runtime_error(path + " is a link that leads nowhere");
}

void must_have(const std::string& path, const struct stat& facts, std::uint64_t bytes) {
  if (static_cast<std::uint64_t>(facts.st_size) < bytes)
    throw std::runtime_error(path + " has been cut: it has " + std::to_string(facts.st_size) + " of " +
                             std::to_string(bytes) + " bytes");
}

// By another name first, so that nobody ever finds a part of it.
void make(const std::string& path, const Header& wanted, std::uint64_t data_at, std::uint64_t end) {
  must_not_lead_nowhere(path);
  std::string scratch = path + ".XXXXXX";
  const Fd fd{::mkostemp(scratch.data(), O_CLOEXEC)};  // 0600
  if (!fd.valid()) fail("cannot make " + path);
  const auto failed = [&](const std::string& what, int error = errno) {
    ::unlink(scratch.c_str());
    fail(what, error);
  };
  const auto header = bytes_of(wanted);
  if (::ftruncate(fd.get(), static_cast<off_t>(end)) != 0)
    failed("cannot make " + path + " as long as " + std::to_string(end) + " bytes");
  if (const int error = take_room(fd.get(), data_at); error != 0)
    failed("cannot take room for the map in " + path, error);
  if (::pwrite(fd.get(), header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()) ||
      ::fsync(fd.get()) != 0 || ::link(scratch.c_str(), path.c_str()) != 0)
    failed("cannot make " + path);
  ::unlink(scratch.c_str());
  sync_folder_of(path);
}

// Opened so that something else than a file does not hold up who opens it; reads and writes may wait.
Fd may_wait(Fd fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags >= 0) static_cast<void>(::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK));
  return fd;
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Whether this process has the file of `fd` open once more. Who holds such a lock the kernel does not tell, and the
// sandbox may keep /proc away.
bool have_it_open_elsewhere(int fd) {
  struct stat ours {};
  struct stat one {};
  rlimit limit{};
  if (::fstat(fd, &ours) != 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const int end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
  for (int other = 0; other < end; ++other)
    if (other != fd && ::fstat(other, &one) == 0 && same_file(one, ours)) return true;
  return false;
}

void lock(int fd, const std::string& path) {
  struct flock all {};
  all.l_type = F_WRLCK;
  if (::fcntl(fd, F_OFD_SETLK, &all) == 0) return;
  if (errno != EAGAIN && errno != EACCES) fail("cannot lock " + path);
  if (!have_it_open_elsewhere(fd)) fail(path + " is used by another server", EBUSY);
  throw std::runtime_error(
      path +
      " is used by this server already, for another export, which needs a file of its own, or for this one as it " +
      "was before: restart the server, or reload without this export, and with it when its clients have left");
}

// Opened, or made of `wanted` with `end` bytes, the disk's from `data_at` on, and locked. `made`: whether it was not
// there.
Fd open_or_make(const std::string& path, const Header& wanted, std::uint64_t data_at, std::uint64_t end, bool& made,
                struct stat& facts) {
  for (made = false;;) {
    Fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK)};
    if (!fd.valid() && errno == ENOENT) {
      make(path, wanted, data_at, end);
      made = true;
      continue;
    }
    if (!fd.valid()) fail("cannot open " + path);
    lock(fd.get(), path);
    if (::fstat(fd.get(), &facts) != 0) fail("cannot look at " + path);
    if (facts.st_nlink != 0) return may_wait(std::move(fd));
    made = false;  // another server has removed it meanwhile: see remove_if_made()
  }
}

}  // namespace

Store::Store(Fd fd, std::uint64_t map_at, std::uint64_t data_at, std::uint64_t end, Host host)
    : map_at_(map_at), data_at_(data_at), syscalls_(Blocking(host)), file_([&] {
        fileops::Facts facts;
        facts.size = end;
        facts.holes = fileops::Holes::unknown;  // the map knows where there is something
        return std::make_unique<fileops::Backend>(facts, std::move(fd), Fd{}, syscalls_, host);
      }()) {}

std::unique_ptr<Store> Store::temporary(const std::string& folder, std::uint64_t size, Host host) {
  return std::unique_ptr<Store>(new Store(fileops::temporary_file(folder, size), 0, 0, size, host));
}

void Store::must_have_room(const std::string& folder) { fileops::must_be_folder(folder); }

void Store::must_have_room_for(const std::string& path) {
  try {
    fileops::must_be_folder(folder_of(path));
  } catch (const std::system_error& e) {
    fail("cannot make " + path, e.code().value());
  }
}

bool Store::is_there(const std::string& path) noexcept {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 || errno != ENOENT;
}

bool Store::look(const std::string& path, Header& found) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd.valid() && errno == ENOENT) {
    must_not_lead_nowhere(path);
    return false;
  }
  if (!fd.valid()) fail("cannot open " + path);
  found = read_header(fd.get(), path);
  return true;
}

// Where things are in the file of a kept one.
struct Store::Layout {
  Layout(const std::string& path, const Header& wanted, std::uint64_t map_bytes) {
    const std::uint64_t unit = std::max<std::uint64_t>(wanted.block, header_bytes);
    map_pages = map_bytes / Map::page_bytes;
    data_at = (header_bytes + map_bytes + unit - 1) / unit * unit;
    if (wanted.size > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()) - data_at) fail(path, EFBIG);
    end = data_at + wanted.size;
  }
  std::uint64_t map_pages, data_at, end;
};

void Store::must_be_whole(const std::string& path, const Header& wanted, std::uint64_t map_bytes) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) == 0) must_have(path, facts, Layout(path, wanted, map_bytes).end);
}

std::unique_ptr<Store> Store::of_file(Fd fd, const std::string& path, const Layout& layout, Host host) {
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) fail("cannot look at " + path);
  const Header header = read_header(fd.get(), path);
  must_have(path, facts, layout.end);
  const int of_tail = fd.get();
  std::unique_ptr<Store> store(new Store(std::move(fd), header_bytes, layout.data_at, layout.end, host));
  store->tail_.emplace(of_tail, layout.end, layout.map_pages, host);
  store->header_ = header;
  return store;
}

std::unique_ptr<Store> Store::kept(const std::string& path, const Header& wanted, std::uint64_t map_bytes, Host host) {
  const Layout layout(path, wanted, map_bytes);
  bool made = false;
  struct stat facts {};
  Fd fd = open_or_make(path, wanted, layout.data_at, layout.end, made, facts);
  auto store = of_file(std::move(fd), path, layout, host);
  if (made) {
    store->device_ = facts.st_dev;
    store->inode_ = facts.st_ino;
  }
  return store;
}

std::unique_ptr<Store> Store::to_look_at(const std::string& path, const Header& wanted, std::uint64_t map_bytes,
                                         Host host) {
  Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd.valid()) fail("cannot open " + path);
  return of_file(may_wait(std::move(fd)), path, Layout(path, wanted, map_bytes), host);
}

// It is locked still: whoever has opened it meanwhile finds that it has no name any more.
void Store::remove_if_made(const std::string& path) const noexcept {
  struct stat facts {};
  if (inode_ == 0 || ::lstat(path.c_str(), &facts) != 0 || facts.st_dev != device_ || facts.st_ino != inode_) return;
  ::unlink(path.c_str());
}

void Store::set_header(const Header& header) {
  const auto bytes = bytes_of(header);
  Io io = Io::write(0, bytes);
  has_header_ = false;
  Status s = file_->write(io);
  if (s.ok()) s = flush();
  if (s.failed()) fail("cannot write the header of the overlay", s.code());
  has_header_ = true;
  header_ = header;
}

Status Store::read_page(std::uint64_t page, std::span<std::byte> into) noexcept {
  Io io = Io::read(map_at_ + page * into.size(), into);
  return file_->read(io);
}
Status Store::write_page(std::uint64_t page, std::span<const std::byte> from) noexcept {
  Io io = Io::write(map_at_ + page * from.size(), from);
  return file_->write(io);
}

Status Store::read(const Io& parent, std::uint64_t offset, std::span<std::byte> into, Flags flags) noexcept {
  return fileops::at_once_or_later(flags, [&](Flags f) {
    Io io = Io::read(parent, data_at_ + offset, into, f);
    return file_->read(io);
  });
}
Status Store::lend(Io& io) noexcept {
  const std::uint64_t at = io.offset();
  io.set_offset(data_at_ + at);
  const Status s = file_->read(io);
  io.set_offset(at);
  return s;
}
Status Store::write(const Io& parent, std::uint64_t offset, std::span<const std::byte> from, Flags flags) noexcept {
  return fileops::at_once_or_later(flags, [&](Flags f) {
    Io io = Io::write(parent, data_at_ + offset, from, f);
    return file_->write(io);
  });
}
Status Store::zero(std::uint64_t offset, std::uint64_t bytes, Flags flags) noexcept {
  Io io(Op::zero, data_at_ + offset, bytes, flags);
  return file_->zero(io);
}
// Once it has failed nobody knows which of the data are there that a tail would tell of.
Status Store::flush() noexcept {
  Io io(Op::flush, 0, 0);
  const Status s = file_->flush(io);
  if (s.failed() && tail_) static_cast<void>(tail_->forget());
  return s;
}
