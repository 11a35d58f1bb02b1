#include "store.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace ashlar::check {
namespace {

constexpr std::uint64_t trim_shows = 1 << 20;  // bytes

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

Store::Store(std::uint64_t size) : size_(size), fd_(::memfd_create("disk", MFD_CLOEXEC)) {
  if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("no memory for a disk");
  states_[0] = ashlar::Extent::sparse;
}

Store::~Store() { ::close(fd_); }

void Store::read(std::uint64_t offset, std::span<std::byte> into) const {
  for (std::size_t done = 0; done < into.size();) {
    const ssize_t n = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n <= 0) fail("the disk in memory cannot be read");
    done += static_cast<std::size_t>(n);
  }
}

Bytes Store::read(std::uint64_t offset, std::size_t n) const {
  Bytes bytes(n);
  read(offset, bytes);
  return bytes;
}

void Store::write(std::uint64_t offset, std::span<const std::byte> from) {
  for (std::size_t done = 0; done < from.size();) {
    const ssize_t n = ::pwrite(fd_, from.data() + done, from.size() - done, static_cast<off_t>(offset + done));
    if (n <= 0) fail("the disk in memory cannot be written");
    done += static_cast<std::size_t>(n);
  }
  set(offset, from.size(), ashlar::Extent::allocated);
}

void Store::clear(std::uint64_t offset, std::uint64_t length) {
  if (::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                  static_cast<off_t>(length)) != 0)
    fail("the disk in memory cannot be zeroed");
}

void Store::zero(std::uint64_t offset, std::uint64_t length, ExtentState state) {
  clear(offset, length);
  set(offset, length, state);
}

void Store::trim(std::uint64_t offset, std::uint64_t length) {
  const Bytes anything(std::min(length, trim_shows), std::byte{0xdb});
  clear(offset, length);
  write(offset, anything);
  set(offset, anything.size(), ashlar::Extent::hole);
  if (length > anything.size()) {
    write(offset + length - 1, std::span(anything).first(1));
    set(offset + anything.size(), length - anything.size(), ashlar::Extent::hole);
  }
}

void Store::copy(const Store& other, std::uint64_t offset, std::uint64_t length) {
  for (std::uint64_t at = offset, end = offset + length; at < end;) {
    const Extent found = other.extent(at);
    const std::uint64_t n = std::min(found.length, end - at);
    if (found.state.has(ashlar::Extent::zero)) clear(at, n);
    else if (found.state.has(ashlar::Extent::hole) && n > trim_shows) trim(at, n);
    else
      for (std::uint64_t done = 0; done < n;) {
        const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(n - done, 1 << 20));
        write(at + done, other.read(at + done, piece));
        done += piece;
      }
    set(at, n, found.state);
    at += n;
  }
}

Store::Extent Store::extent(std::uint64_t offset) const {
  auto next = states_.upper_bound(offset);
  const ExtentState state = std::prev(next)->second;
  while (next != states_.end() && next->second == state) ++next;
  return {(next == states_.end() ? size_ : next->first) - offset, state};
}

bool Store::all(std::uint64_t offset, std::uint64_t length, ExtentState state) const {
  for (std::uint64_t at = offset; at < offset + length;) {
    const Extent found = extent(at);
    if (!found.state.has(state)) return false;
    at += found.length;
  }
  return true;
}

void Store::set(std::uint64_t offset, std::uint64_t length, ExtentState state) {
  if (length == 0) return;
  const std::uint64_t end = offset + length;
  const ExtentState behind = end < size_ ? extent(end).state : state;
  states_.erase(states_.lower_bound(offset), states_.lower_bound(end));
  states_[offset] = state;
  if (end < size_) states_[end] = behind;
}

}  // namespace ashlar::check
