#include "change.hpp"

#include <algorithm>

namespace ashlar::check {
namespace {

constexpr Flags any_of(Flags set, std::uint64_t number, std::initializer_list<Flags> flags) {
  for (const Flags flag : flags) {
    if ((number & 1) != 0) set |= flag;
    number >>= 1;
  }
  return set;
}

// All of it the same byte; or blocks that are equal, or nearly; mostly nothing. A module may keep them once.
void repeat_some(Bytes& bytes, Random& random) {
  const std::uint64_t kind = random() % 8;
  if (kind == 0) std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  if (kind != 1 && kind != 2) return;
  constexpr std::size_t block = 512;
  for (std::size_t at = block; at + block <= bytes.size(); at += block) {
    std::copy_n(bytes.begin(), block, bytes.begin() + static_cast<std::ptrdiff_t>(at));
    if (kind == 2) bytes[at + random() % block] ^= static_cast<std::byte>(0x80);
  }
}

// All of it, or blocks; mostly nothing.
void clear_some(Bytes& bytes, Range range, Random& random) {
  const std::uint64_t kind = random() % 8;
  if (kind == 0) std::fill(bytes.begin(), bytes.end(), std::byte{0});
  if (kind > 2) return;
  const std::uint64_t block = kind == 1 ? 512 : 4096;
  for (std::uint64_t at = (range.offset + block - 1) / block * block; at + block <= range.end(); at += block)
    if (random() % 2 == 0)
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at - range.offset), block, std::byte{0});
}

}  // namespace

std::vector<Flags> flag_sets(const Geometry& g, Op op, bool nowait) {
  std::vector<Flags> sets;
  const auto add = [&](std::initializer_list<Flags> flags) {
    for (std::uint64_t i = 0; i < std::uint64_t{1} << flags.size(); ++i)
      if (const Flags set = any_of(Flag::none, i, flags); g.flags.has(set)) sets.push_back(set);
  };
  switch (op) {
    case Op::read: add({Flag::may_lend, Flag::may_hole}); break;
    case Op::write:
    case Op::trim: add({Flag::fua}); break;
    case Op::zero: add({Flag::may_trim, Flag::fast, Flag::fua}); break;
    case Op::extents: add({Flag::req_one}); break;
    default: add({}); break;
  }
  if (!nowait || !g.flags.has(Flag::nowait)) return sets;
  const std::size_t n = sets.size();
  for (std::size_t i = 0; i < n; ++i) sets.push_back(sets[i] | Flag::nowait);
  if (op != Op::read) return sets;
  for (std::size_t i = n; i < 2 * n; ++i) {
    if (!sets[i].has(Flag::may_lend)) continue;
    for (const Flags more : {Flag::may_lend_cold, Flag::lend_only, Flag::may_lend_cold | Flag::lend_only})
      if (g.flags.has(more)) sets.push_back(sets[i] | more);
  }
  return sets;
}

Status change(Model& model, const Device& by, Op op, Range range, Flags flags, Random& random, Payload payload) {
  const Geometry& g = model.geometry();
  const Request request{.op = op, .offset = range.offset, .length = range.length, .flags = flags};
  Bytes bytes;
  if (op == Op::write) bytes = some_bytes(random, range.length);
  if (op == Op::write && payload == Payload::zeroes_too) {
    repeat_some(bytes, random);
    clear_some(bytes, range, random);
  }
  const Status status =
      op == Op::write ? write(by, range.offset, bytes, flags) : act(by, op, range.offset, range.length, flags);
  if (status == Status::would_block()) return status;  // and the model stays as it is
  if (op == Op::zero && status == Status::not_supported() && (flags.has(Flag::fast) || g.zero_may_fail)) {
    if (!flags.has(Flag::fast)) model.reload(range, false);
    return status;
  }
  must(status, request);
  if (op == Op::write) model.put(range.offset, bytes);
  else if (op == Op::zero) model.put_zeroes(range);
  else model.reload(range, true);
  return status;
}

Status ask_and_follow(Model& model, const Device& by, Op op, Range range, Flags flags, Random& random,
                      Payload payload) {
  return Ops::writing().has(op) ? change(model, by, op, range, flags, random, payload) : ask(by, op, range, flags);
}

void change_something(Model& model, Random& random, std::uint64_t most, Payload payload) {
  const Geometry& g = model.geometry();
  constexpr Op ops[] = {Op::write, Op::zero, Op::trim, Op::write};
  const Op op = ops[random() % 4];
  if (!g.ops.has(op)) return;
  const Range range = model.pick(random, model.longest(op, most));
  const std::vector<Flags> sets = flag_sets(g, op, false);
  static_cast<void>(change(model, model.device(), op, range, sets[random() % sets.size()], random, payload));
  model.compare_around(range, Request{.op = op, .offset = range.offset, .length = range.length}.text());
}

}  // namespace ashlar::check
