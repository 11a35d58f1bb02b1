#include "connection.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "connect.hpp"
#include "protocol/codec.hpp"

namespace ashlar::bench {
namespace {

using namespace protocol;

constexpr std::size_t receive_size = 1u << 20;  // bytes

// xorshift64*: quick, and the same everywhere.
std::uint64_t step(std::uint64_t& state) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545F4914F6CDD1Dull;
}

}  // namespace

Connection::Connection(const Options& options, const Job& job, std::uint32_t number)
    : options_(options),
      job_(job),
      stream_(options.address),
      random_(options.seed * 0x9E3779B97F4A7C15ull + number + 1),
      slots_(job.depth),
      in_(receive_size) {
  std::uint64_t size = shake_hands(stream_, options);
  if (options.size != 0) size = std::min(size, options.size);
  blocks_ = size / job.block;
  if (blocks_ == 0) throw std::runtime_error("the export is smaller than one request");
  next_block_ = blocks_ / job.connections * number;
  if (job.reads_in_hundred() < 100 && job.other_command() == cmd_write) {
    payload_.resize(job.block);
    for (std::byte& byte : payload_) byte = static_cast<std::byte>(step(random_));
  }
}

std::uint64_t Connection::draw() { return step(random_); }

std::uint64_t Connection::next_offset() {
  const std::uint64_t block = job_.random() ? draw() % blocks_ : next_block_++ % blocks_;
  return block * job_.block;
}

void Connection::ask(std::uint32_t index, Clock::time_point now) {
  Slot& slot = slots_[index];
  const std::uint32_t reads = job_.reads_in_hundred();
  slot.read = reads == 100 || (reads != 0 && draw() % 100 < reads);
  const std::uint16_t command = slot.read ? cmd_read : job_.other_command();
  put32(slot.header, request_magic);
  put16(slot.header + 4, 0);
  put16(slot.header + 6, command);
  put64(slot.header + 8, index);
  put64(slot.header + 16, next_offset());
  put32(slot.header + 24, job_.block);
  unsent_.push_back({slot.header, request_size});
  if (command == cmd_write) unsent_.push_back({payload_.data(), payload_.size()});
  slot.asked = now;
  slot.busy = true;
  slot.failed = false;
  ++asked_;
  ++in_flight_;
}

Result Connection::run() {
  now_ = Clock::now();
  deadline_ = now_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
  for (std::uint32_t i = 0; i < job_.depth; ++i)
    if (options_.requests == 0 || asked_ < options_.requests) ask(i, now_);
  while (in_flight_ != 0) {
    send_what_fits();
    wait_and_receive();
    take_replies();
  }
  result_.end = now_;
  std::byte disconnect[request_size] = {};
  put32(disconnect, request_magic);
  put16(disconnect + 6, cmd_disc);
  stream_.send_all(disconnect, sizeof disconnect);
  return result_;
}

void Connection::send_what_fits() {
  while (first_unsent_ < unsent_.size()) {
    const ssize_t n = stream_.send_some(unsent_.data() + first_unsent_, unsent_.size() - first_unsent_);
    if (n < 0) {
      unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(first_unsent_));
      first_unsent_ = 0;
      return;
    }
    auto left = static_cast<std::size_t>(n);
    while (first_unsent_ < unsent_.size() && left >= unsent_[first_unsent_].iov_len)
      left -= unsent_[first_unsent_++].iov_len;
    if (left == 0) continue;
    iovec& part = unsent_[first_unsent_];
    part.iov_base = static_cast<std::byte*>(part.iov_base) + left;
    part.iov_len -= left;
  }
  unsent_.clear();
  first_unsent_ = 0;
}

// Replies are taken even while requests cannot be sent: a server need not take more before its replies are read.
void Connection::wait_and_receive() {
  if (!unsent_.empty() && !stream_.wait_for_either()) return;
  if (begin_ != 0) {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const std::size_t n = stream_.receive_some(in_.data() + end_, in_.size() - end_);
  if (n == 0) throw std::runtime_error("the server closed the connection");
  end_ += n;
}

void Connection::take_replies() {
  now_ = Clock::now();
  while (take_reply()) continue;
}

// One reply or chunk, or data of one; false: more has to come first.
bool Connection::take_reply() {
  const std::size_t skipped = std::min<std::uint64_t>(to_skip_, end_ - begin_);
  begin_ += skipped;
  to_skip_ -= skipped;
  if (to_skip_ != 0 || end_ - begin_ < simple_reply_size) return false;
  const std::byte* at = in_.data() + begin_;
  switch (get32(at)) {
    case simple_reply_magic: return take_simple(at, end_ - begin_);
    case structured_reply_magic: return take_chunk(at, end_ - begin_);
    default: throw std::runtime_error("not a reply: wrong magic");
  }
}

Connection::Slot& Connection::slot(std::uint64_t cookie) {
  if (cookie >= slots_.size() || !slots_[cookie].busy) throw std::runtime_error("a reply to nothing that was asked");
  return slots_[cookie];
}

bool Connection::take_simple(const std::byte* at, std::size_t) {
  const std::uint64_t cookie = get64(at + 8);
  Slot& to = slot(cookie);
  to.failed = get32(at + 4) != 0;
  if (to.read && !to.failed) to_skip_ = job_.block;
  begin_ += simple_reply_size;
  finish(cookie);
  return true;
}

bool Connection::take_chunk(const std::byte* at, std::size_t have) {
  if (have < chunk_header_size) return false;
  const std::uint64_t cookie = get64(at + 8);
  Slot& to = slot(cookie);
  if (get16(at + 6) & 0x8000) to.failed = true;  // all types of errors
  to_skip_ = get32(at + 16);
  begin_ += chunk_header_size;
  if (get16(at + 4) & reply_flag_done) finish(cookie);
  return true;
}

void Connection::finish(std::uint64_t cookie) {
  Slot& to = slots_[cookie];
  to.busy = false;
  --in_flight_;
  ++result_.operations;
  result_.errors += to.failed;
  result_.latency.add(static_cast<std::uint64_t>((now_ - to.asked).count()));
  const bool more = options_.requests != 0 ? asked_ < options_.requests : now_ < deadline_;
  if (more) ask(static_cast<std::uint32_t>(cookie), now_);
}

}  // namespace ashlar::bench
