// Ask: requests of a device in one line. All throw Broken for an answer that none may give.
#pragma once
#include "device.hpp"
#include "subject.hpp"

namespace ashlar::check {

// Bytes of a request, at most, where nothing else is tried; and where long ones are.
inline constexpr std::uint64_t usual = 64 << 10;
inline constexpr std::uint64_t large = 512 << 10;

inline constexpr Op all_ops[] = {Op::read, Op::write, Op::zero, Op::trim, Op::flush, Op::cache, Op::extents};

// Bytes of a short request at the device's start; 0: it is empty.
std::uint64_t short_length(const Geometry& g);

// Throws Broken when `s` is an error.
void must(Status s, const Request& request);

// What a read that is filled, lent or told of as holes comes to, as the host would have it.
struct Read {
  Status status;
  Bytes bytes;  // if it succeeded
};
Read read(const Device& device, std::uint64_t offset, std::size_t n, Flags flags = {});
// One that has to succeed.
Bytes read_all(const Device& device, std::uint64_t offset, std::size_t n);

Status write(const Device& device, std::uint64_t offset, std::span<const std::byte> from, Flags flags = {});
// trim, zero, cache, flush.
Status act(const Device& device, Op op, std::uint64_t offset, std::uint64_t length, Flags flags = {});

struct Told {
  Status status;
  std::vector<ListedExtent> extents;
  std::uint64_t total;
};
// `most`: how many extents are taken; 0: all.
Told extents(const Device& device, std::uint64_t offset, std::uint64_t n, Flags flags = {}, std::size_t most = 0);

// Any request, of which only the status counts. `bytes`: of a write; a flush has no range, whatever `range` is.
Status ask(const Device& device, Op op, Range range, Flags flags = {}, std::span<const std::byte> bytes = {});

// What `request` was lent, read as the host does: into memory that starts on a page.
Bytes read_lent(const Request& request);

}  // namespace ashlar::check
