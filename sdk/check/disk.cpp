#include "disk.hpp"

#include <algorithm>
#include <ashlar/rules/request.hpp>
#include <cerrno>

#include "held.hpp"
#include "under_way.hpp"

namespace ashlar::check {
namespace {

constexpr std::uint64_t segment = 4096;  // of what fill() lays out

std::uint64_t mixed(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

std::byte byte_at(std::uint64_t offset) {
  return static_cast<std::byte>(1 + (mixed(offset / 8) >> (8 * (offset % 8)) & 0xff) % 255);
}

Disk::Disk(const Geometry& geometry) : geometry_(geometry), now_(geometry.size), durable_(geometry.size) {}
Disk::~Disk() = default;

std::unique_ptr<Disk::Connection> Disk::connect() {
  const std::lock_guard guard(mutex_);
  return std::make_unique<Connection>(*this, ++connections_);
}

void Disk::add_unheard_of(std::uint64_t ops, std::uint64_t flags, std::uint64_t traits) {
  more_ops_ = ops;
  more_flags_ = flags;
  more_traits_ = traits;
}

// Two segments of data, then one that differs: a hole, a zero that is allocated, or data of which a part is a hole.
void Disk::fill(std::uint64_t offset, std::uint64_t length) {
  const std::lock_guard guard(mutex_);
  Bytes data(segment);
  for (std::uint64_t at = offset, end = offset + length, n; at < end; at += n) {
    n = std::min(segment - at % segment, end - at);
    for (std::uint64_t i = 0; i < n; ++i) data[i] = byte_at(at + i);
    const std::uint64_t number = at / segment;
    if (number % 3 != 2) now_.write(at, std::span(data).first(n));
    else if (number % 2 == 0) now_.zero(at, n, Extent::sparse);
    else if (number % 5 == 0) now_.zero(at, n, Extent::zero);
    else {
      now_.write(at, std::span(data).first(n));
      if (n == segment) now_.zero(at + 512, 1024, Extent::sparse);
    }
  }
  durable_.copy(now_, offset, length);
}

void Disk::cut_power() {
  const std::lock_guard guard(mutex_);
  for (const Volatile& v : volatile_) now_.copy(durable_, v.offset, v.length);
  volatile_.clear();
}

std::vector<Disk::Call> Disk::calls() const {
  const std::lock_guard guard(mutex_);
  return calls_;
}

void Disk::forget_calls() {
  const std::lock_guard guard(mutex_);
  forgotten_ += calls_.size();
  calls_.clear();
  // Of what is not durable yet, each place once.
  std::sort(volatile_.begin(), volatile_.end());
  volatile_.erase(std::unique(volatile_.begin(), volatile_.end()), volatile_.end());
}

std::vector<std::string> Disk::breaches() const {
  const std::lock_guard guard(mutex_);
  return breaches_;
}

void Disk::look() const {
  const std::lock_guard guard(mutex_);
  if (!breaches_.empty()) throw Broken{breaches_.front()};
}

void Disk::note(const std::string& breach) {
  const std::lock_guard guard(mutex_);
  if (breaches_.size() < 16) breaches_.push_back(breach);
}

Status Disk::request(Connection& from, ashlar_io& io) {
  const std::string text = request_text(io.op, io.offset, io.length, io.flags);
  if (const std::string wrong = breach(from, io); !wrong.empty()) {
    note("the layer below got " + text + ": " + wrong);
    return Status::invalid();
  }
  Io& request = static_cast<Io&>(io);
  std::unique_lock lock(mutex_);
  const std::size_t number = calls_.size(), place = forgotten_ + number;
  const Call call{request.op(), io.offset, io.length, request.flags(), io.id, from.number(), Status::success()};
  calls_.push_back(call);
  lock.unlock();
  Status s = judge_ ? judge_(call, number) : Status::success();
  lock.lock();
  Extents to_tell;
  if (s.ok()) s = carry_out(from, request, to_tell);
  if (place >= forgotten_) calls_[place - forgotten_].status = s;
  lock.unlock();
  const WithinSink telling;
  for (const Store::Extent& extent : to_tell)
    if (!request.add_extent(extent.length, extent.state)) break;
  return s;
}

std::string Disk::breach(const Connection& from, const ashlar_io& io) const {
  if (const char* fault = rules::request_fault(geometry_, io)) return fault;
  if (within_sink != 0) return "it came from within a sink";
  const bool changes = Ops::writing().has(static_cast<Op>(io.op));
  const std::lock_guard guard(from.mutex_);
  const auto& above = from.under_way_;
  if (above.empty()) return "no call is under way above";
  const auto is_its = [](const Connection::Above& one) { return one.thread == std::this_thread::get_id(); };
  const auto call = std::find_if(above.rbegin(), above.rend(), is_its);
  if (call == above.rend()) return "its thread is in no call above";
  const bool reads = io.op == ASHLAR_OP_READ || io.op == ASHLAR_OP_EXTENTS;
  if (call->id == Below::in_describe && !reads) return "in describe the layer above may only read";
  if (call->id == Below::in_reading_verb && changes) return "the verb has asked to read alone";
  const auto has_its_id = [&io](const Connection::Above& one) { return one.id == io.id; };
  if (io.id != 0 && std::none_of(above.begin(), above.end(), has_its_id)) return "its id is of no request";
  return forbidden_ != nullptr && changes && call->id != Below::in_writing_verb ? forbidden_ : std::string();
}

Status Disk::carry_out(const Connection& from, Io& io, Extents& to_tell) {
  switch (io.op()) {
    case Op::read: return read(io, to_tell);
    case Op::write: now_.write(io.offset(), io.payload()); break;
    case Op::flush: make_durable(from); return Status::success();
    case Op::trim: now_.trim(io.offset(), io.length()); break;
    case Op::zero: now_.zero(io.offset(), io.length(), io.has(Flag::may_trim) ? Extent::sparse : Extent::zero); break;
    case Op::cache: return Status::success();
    case Op::extents: to_tell = extents(io); return Status::success();
  }
  changed(from, io);
  return Status::success();
}

void Disk::changed(const Connection& from, const Io& io) {
  if (io.has(Flag::fua)) durable_.copy(now_, io.offset(), io.length());
  else volatile_.push_back({io.offset(), io.length(), from.number()});
}

void Disk::make_durable(const Connection& from) {
  std::erase_if(volatile_, [&](const Volatile& v) {
    if (!geometry_.multi_conn && v.connection != from.number()) return false;
    durable_.copy(now_, v.offset, v.length);
    return true;
  });
}

// Holes are told, what may be lent is lent, by turns cold; the rest is copied.
Status Disk::read(Io& io, Extents& to_tell) {
  const std::size_t turn = ++turns_;
  const bool fills = !io.has(Flag::lend_only);
  if (io.has(Flag::may_hole) && (now_.all(io.offset(), io.length(), Extent::zero) || (fills && turn % 4 == 0))) {
    to_tell = extents(io);
    if (!fills) return Status::success();
    now_.read(io.offset(), io.buffer());
    std::uint64_t at = 0;
    for (Store::Extent& extent : to_tell) {  // what is told as zeroes need not be filled
      extent.length = std::min(extent.length, io.length() - at);
      if (extent.state.has(Extent::zero)) std::fill_n(io.buffer().data() + at, extent.length, std::byte{0xee});
      at += extent.length;
    }
    return Status::success();
  }
  const bool may_cold = io.has(Flag::may_lend_cold), may_warm = io.has(Flag::may_lend);
  const bool cold = lends_ == Lends::cold || (lends_ == Lends::by_turns && turn % 3 == 0);
  const bool warm = lends_ == Lends::warm || (lends_ == Lends::by_turns && turn % 3 == 1);
  if (cold && may_cold) io.lend_cold(now_.fd(), io.offset());
  else if (warm && may_warm) io.lend(now_.fd(), io.offset());
  else if (!fills) return Status::would_block();
  else now_.read(io.offset(), io.buffer());
  return Status::success();
}

// They go on to the end of the extent that holds the end of the request, as on a file system. A read is told of wholly.
Disk::Extents Disk::extents(const Io& io) const {
  Extents all;
  const bool whole = io.op() == Op::read;
  for (std::uint64_t at = io.offset(); at < io.end();) {
    Store::Extent found = now_.extent(at);
    if (extent_bytes_ != 0 && !whole) found.length = std::min(found.length, extent_bytes_);
    all.push_back(found);
    if (!whole && (io.has(Flag::req_one) || all.size() == extent_most_)) break;
    at += found.length;
  }
  return all;
}

Disk::Connection::Connection(Disk& disk, unsigned number)
    : disk_(disk),
      number_(number),
      device_({0, 0, this, &describe, &process, &close, &extension}),
      geometry_({0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) {
  to_abi(disk.geometry_, *geometry_.get());
  geometry_->ops |= disk.more_ops_;
  geometry_->flags |= disk.more_flags_;
  geometry_->traits |= disk.more_traits_;
}

void Disk::Connection::enter(std::uint64_t id) {
  const std::lock_guard guard(mutex_);
  under_way_.push_back({id, std::this_thread::get_id()});
}

void Disk::Connection::leave(std::uint64_t id) {
  const std::lock_guard guard(mutex_);
  const auto it = std::find_if(under_way_.begin(), under_way_.end(), [id](const Above& one) {
    return one.id == id && one.thread == std::this_thread::get_id();
  });
  under_way_.erase(it);
}

void Disk::Connection::look() const {
  device_.look("the filter, which the layer below was lent to,");
  geometry_.look("the filter, which the geometry of the layer below was lent to,");
}

std::int32_t Disk::Connection::describe(void* self, ashlar_geometry* out, ashlar_error*) noexcept {
  of(self).disk_.note("the layer below was described once more");
  to_abi(of(self).disk_.geometry_, *out);
  return 0;
}

std::int32_t Disk::Connection::process(void* self, ashlar_io* io) noexcept {
  if (locks_held() != 0)
    of(self).disk_.note("the layer below got " + request_text(io->op, io->offset, io->length, io->flags) +
                        " while a lock was held");
  return of(self).disk_.request(of(self), *io).code();
}

void Disk::Connection::close(void* self) noexcept { of(self).disk_.note("the layer below was closed"); }

}  // namespace ashlar::check
