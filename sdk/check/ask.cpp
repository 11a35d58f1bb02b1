#include "ask.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

namespace ashlar::check {
namespace {

// Half of the turns amid, and not each second, so that all are tried with whatever comes by turns.
Memory::Place place_of(std::uint64_t turn) {
  if (std::popcount(turn) % 2 == 0) return Memory::Place::amid;
  return std::popcount(turn) % 4 == 1 ? Memory::Place::at_the_end : Memory::Place::at_the_start;
}

void look(const Request& request, const Memory& memory) {
  if (memory.touched()) throw Broken{request.text() + " wrote outside of its data"};
}

// Extents of a read: the whole range, or nothing at all.
void put_zeroes(const Request& request, const Sink& sink, Bytes& bytes) {
  if (sink.extents().empty()) return;
  if (sink.total() < request.length) throw Broken{request.text() + " told only a part of it as extents"};
  std::uint64_t place = 0;
  for (const ListedExtent& e : sink.extents()) {
    const std::uint64_t inside = std::min(e.length, request.length - place);
    if (e.state.has(Extent::zero)) std::fill_n(bytes.data() + place, inside, std::byte{0});
    place += inside;
  }
}

Read read_with_lend_only(const Device& device, Request& request) {
  Sink sink(request.offset, request.length, device.geometry().size);
  if (request.flags.has(Flag::may_hole)) request.sink = &sink;
  const Status status = device.send(request);
  if (status.failed()) return {status, {}};
  if (request.lent()) return {status, read_lent(request)};
  const auto zero = [](const ListedExtent& e) { return e.state.has(Extent::zero); };
  if (!std::all_of(sink.extents().begin(), sink.extents().end(), zero) || sink.total() < request.length)
    throw Broken{request.text() + " answered 0, and neither lent the bytes nor told of zeroes all over"};
  return {status, Bytes(request.length)};
}

}  // namespace

std::uint64_t short_length(const Geometry& g) {
  return std::min<std::uint64_t>(std::max<std::uint64_t>(g.minimum, 512), g.size);
}

void must(Status s, const Request& request) {
  if (s.failed())
    throw Broken{request.text() + " answered " + std::to_string(s.code()) + " (" + ::strerror(s.code()) + ")"};
}

Read read(const Device& device, std::uint64_t offset, std::size_t n, Flags flags) {
  Request request{.op = Op::read, .offset = offset, .length = n, .flags = flags};
  if (flags.has(Flag::lend_only)) return read_with_lend_only(device, request);
  const std::uint64_t turn = device.new_turn();
  const Memory memory(n, place_of(turn));
  // What is not filled must not look as if it were.
  std::fill_n(memory.data(), n, turn / 2 % 2 == 0 ? std::byte{0xa5} : std::byte{0x5a});
  Sink sink(offset, n, device.geometry().size);
  request.data = memory.data();
  if (flags.has(Flag::may_hole)) request.sink = &sink;
  const Status status = device.send(request);
  look(request, memory);
  if (status.failed()) return {status, {}};
  if (request.lent()) return {status, read_lent(request)};
  Bytes bytes(memory.data(), memory.data() + n);
  put_zeroes(request, sink, bytes);
  return {status, std::move(bytes)};
}

Bytes read_all(const Device& device, std::uint64_t offset, std::size_t n) {
  Read got = read(device, offset, n);
  must(got.status, {.op = Op::read, .offset = offset, .length = n});
  return std::move(got.bytes);
}

Status write(const Device& device, std::uint64_t offset, std::span<const std::byte> from, Flags flags) {
  Memory memory(from.size(), place_of(device.new_turn()));
  std::copy(from.begin(), from.end(), memory.data());
  memory.only_read();
  Request request{.op = Op::write, .offset = offset, .length = from.size(), .flags = flags, .data = memory.data()};
  const Status status = device.send(request);
  look(request, memory);
  if (!std::equal(from.begin(), from.end(), memory.data())) throw Broken{request.text() + " changed its data"};
  return status;
}

Status act(const Device& device, Op op, std::uint64_t offset, std::uint64_t length, Flags flags) {
  Request request{.op = op, .offset = offset, .length = length, .flags = flags};
  return device.send(request);
}

Told extents(const Device& device, std::uint64_t offset, std::uint64_t n, Flags flags, std::size_t most) {
  Sink sink(offset, n, device.geometry().size, flags.has(Flag::req_one) ? 1 : most);
  Request request{.op = Op::extents, .offset = offset, .length = n, .flags = flags, .sink = &sink};
  const Status status = device.send(request);
  if (status.ok() && sink.extents().empty()) throw Broken{request.text() + " told no extent"};
  return {status, sink.extents(), sink.total()};
}

Status ask(const Device& device, Op op, Range range, Flags flags, std::span<const std::byte> bytes) {
  switch (op) {
    case Op::read: return read(device, range.offset, range.length, flags).status;
    case Op::write: return write(device, range.offset, bytes, flags);
    case Op::extents: return extents(device, range.offset, range.length, flags).status;
    case Op::flush: return act(device, op, 0, 0, flags);
    default: return act(device, op, range.offset, range.length, flags);
  }
}

Bytes read_lent(const Request& request) {
  constexpr std::size_t page = 4096;
  const std::size_t n = request.length;
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(page, (n + page - 1) / page * page),
                                                           &std::free);
  if (memory == nullptr) throw std::bad_alloc();
  if (::pread(request.lent_fd, memory.get(), n, static_cast<off_t>(request.lent_offset)) != static_cast<ssize_t>(n))
    throw Broken{request.text() + ": what it lent cannot be read"};
  const auto* bytes = static_cast<const std::byte*>(memory.get());
  return {bytes, bytes + n};
}

}  // namespace ashlar::check
