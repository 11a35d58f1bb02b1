#include "tail.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <utility>

#include "map.hpp"

using namespace ashlar;

namespace {

constexpr char tail_magic[8] = {'a', 's', 'h', 'l', 'a', 'r', 't', '1'};

// With its number.
constexpr std::uint64_t one_page = sizeof(std::uint64_t) + Map::page_bytes;

constexpr std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + Map::page_bytes - 1) / Map::page_bytes * Map::page_bytes;
}

std::string boot_now() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id;
}

std::uint64_t add_to_sum(std::uint64_t sum, std::span<const std::byte> bytes) {
  for (const std::byte b : bytes) sum = (sum ^ static_cast<std::uint64_t>(b)) * 0x100000001b3;
  return sum;
}

bool get(int fd, std::span<std::byte> into, std::uint64_t at) {
  while (!into.empty()) {
    const ssize_t n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return true;
}

std::uint64_t length_of(int fd) {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 ? static_cast<std::uint64_t>(facts.st_size) : 0;
}

}  // namespace

// Before the numbers of the pages, which stand before what they hold; little-endian. Of two that count the one with the
// larger serial number is the later one.
struct Tail::Head {
  char magic[8];
  char boot[40];
  std::uint64_t serial, pages, check;
};

// Whole pages of the file are written without being read first, which could take its time.
Tail::Tail(int fd, std::uint64_t end, std::uint64_t most, Host host)
    : fd_(fd),
      end_(end),
      at_(whole_pages(end)),
      room_(whole_pages(sizeof(Head) + most * one_page)),
      boot_(boot_now()),
      blocking_(host) {}

// FNV-1a, over all but itself.
Tail::Head Tail::head_of(const Pages& pages, std::uint64_t serial) const noexcept {
  Head head{{}, {}, serial, pages.numbers.size(), 0};
  std::memcpy(head.magic, tail_magic, sizeof tail_magic);
  boot_.copy(head.boot, sizeof head.boot);
  std::uint64_t sum = add_to_sum(0xcbf29ce484222325, std::as_bytes(std::span(&head, 1)).first(offsetof(Head, check)));
  sum = add_to_sum(sum, std::as_bytes(std::span(pages.numbers)));
  head.check = add_to_sum(sum, pages.contents);
  return head;
}

// What is whole at a place, if it is later than what is known of: then that is known of from then on.
void Tail::read_later(std::uint64_t at, std::uint64_t length, Pages& known) {
  Head found{};
  if (length < at + sizeof found || !get(fd_, std::as_writable_bytes(std::span(&found, 1)), at)) return;
  if (std::memcmp(found.magic, tail_magic, sizeof tail_magic) != 0 || found.serial <= serial_) return;
  if (found.pages > (std::min(length - at, room_) - sizeof found) / one_page) return;
  Pages pages;
  pages.numbers.resize(found.pages);
  pages.contents.resize(found.pages * Map::page_bytes);
  const auto numbers = std::as_writable_bytes(std::span(pages.numbers));
  const std::uint64_t behind_head = at + sizeof found;
  if (!get(fd_, numbers, behind_head) || !get(fd_, pages.contents, behind_head + numbers.size())) return;
  const Head whole = head_of(pages, found.serial);
  if (std::memcmp(&found, &whole, sizeof found) != 0) return;
  serial_ = found.serial;
  check_ = found.check;
  known = std::move(pages);
}

Tail::Pages Tail::read() {
  Pages pages;
  if (boot_.empty()) return pages;
  const std::uint64_t length = length_of(fd_);
  for (const std::uint64_t at : {place_of(0), place_of(1)}) read_later(at, length, pages);
  return pages;
}

bool Tail::put(std::span<const std::byte> bytes, std::uint64_t at) noexcept {
  while (!bytes.empty()) {
    const std::int64_t n = blocking_.write(fd_, bytes, at);
    if (n == -EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return true;
}

void Tail::write(const Pages& pages) noexcept {
  if (boot_.empty()) return;
  const bool stays = counts();
  if (stays && head_of(pages, serial_).check == check_) return;  // it is there
  const Head head = head_of(pages, serial_ + 1);
  const std::uint64_t at = place_of(serial_ + 1);
  const auto numbers = std::as_bytes(std::span(pages.numbers));
  const std::uint64_t behind_head = at + sizeof head;
  may_count_ = true;
  const bool there = put(std::as_bytes(std::span(&head, 1)), at) && put(numbers, behind_head) &&
                     put(pages.contents, behind_head + numbers.size());
  if (there) {
    serial_ = head.serial;
    check_ = head.check;
  } else if (!stays) {
    static_cast<void>(cut());
  }
}

// For the flushes to come this is less work than a file whose length changes.
int Tail::forget() noexcept {
  if (!may_count_) return 0;
  const std::uint64_t length = length_of(fd_);
  const Head none{};
  check_ = 0;  // also where that fails halfway
  for (const std::uint64_t at : {place_of(0), place_of(1)})
    if (at < length && !put(std::as_bytes(std::span(&none, 1)), at)) return cut();
  may_count_ = false;
  serial_ = none_counts;
  return 0;
}

int Tail::cut() noexcept {
  int error = 0;
  if (length_of(fd_) > end_)
    blocking_.run([&] { error = ::ftruncate(fd_, static_cast<off_t>(end_)) == 0 ? 0 : errno; });
  if (error != 0) return error;
  may_count_ = false;
  serial_ = none_counts;
  return 0;
}
