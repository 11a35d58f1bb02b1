#include "tail.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <utility>

#include "map.hpp"

using namespace ashlar;

namespace {

constexpr char tail_magic[8] = {'a', 's', 'h', 'l', 'a', 'r', 't', '1'};

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

// Before the numbers of the pages, which stand before what they hold; little-endian.
struct Tail::Head {
  char magic[8];
  char boot[40];
  std::uint64_t pages, check;
};

Tail::Tail(int fd, std::uint64_t end, Host host)
    : fd_(fd),
      end_(end),
      // Whole pages of the file are written without being read first, which could take its time.
      at_((end + Map::page_bytes - 1) / Map::page_bytes * Map::page_bytes),
      boot_(boot_now()),
      blocking_(host) {}

// FNV-1a, over all but itself.
Tail::Head Tail::head_of(const Pages& pages) const noexcept {
  Head head{{}, {}, pages.numbers.size(), 0};
  std::memcpy(head.magic, tail_magic, sizeof tail_magic);
  boot_.copy(head.boot, sizeof head.boot);
  std::uint64_t sum = add_to_sum(0xcbf29ce484222325, std::as_bytes(std::span(&head, 1)).first(offsetof(Head, check)));
  sum = add_to_sum(sum, std::as_bytes(std::span(pages.numbers)));
  head.check = add_to_sum(sum, pages.contents);
  return head;
}

Tail::Pages Tail::read() const {
  Head found{};
  const std::uint64_t length = length_of(fd_);
  if (boot_.empty() || length < at_ + sizeof found) return {};
  if (!get(fd_, std::as_writable_bytes(std::span(&found, 1)), at_)) return {};
  constexpr std::uint64_t one = sizeof(std::uint64_t) + Map::page_bytes;
  if (std::memcmp(found.magic, tail_magic, sizeof tail_magic) != 0 || found.pages > (length - at_ - sizeof found) / one)
    return {};
  Pages pages;
  pages.numbers.resize(found.pages);
  pages.contents.resize(found.pages * Map::page_bytes);
  const auto numbers = std::as_writable_bytes(std::span(pages.numbers));
  const bool got =
      get(fd_, numbers, at_ + sizeof found) && get(fd_, pages.contents, at_ + sizeof found + numbers.size());
  const Head whole = head_of(pages);
  return got && std::memcmp(&found, &whole, sizeof found) == 0 ? std::move(pages) : Pages{};
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
  may_count_ = true;
  const Head head = head_of(pages);
  const auto numbers = std::as_bytes(std::span(pages.numbers));
  const std::uint64_t behind_head = at_ + sizeof head;
  const bool there = put(std::as_bytes(std::span(&head, 1)), at_) && put(numbers, behind_head) &&
                     put(pages.contents, behind_head + numbers.size());
  if (!there) static_cast<void>(cut());
}

// For the flushes to come this is less work than a file whose length changes.
int Tail::forget() noexcept {
  if (!may_count_) return 0;
  const Head none{};
  if (length_of(fd_) <= end_ || !put(std::as_bytes(std::span(&none, 1)), at_)) return cut();
  may_count_ = false;
  return 0;
}

int Tail::cut() noexcept {
  int error = 0;
  if (length_of(fd_) > end_)
    blocking_.run([&] { error = ::ftruncate(fd_, static_cast<off_t>(end_)) == 0 ? 0 : errno; });
  if (error == 0) may_count_ = false;
  return error;
}
