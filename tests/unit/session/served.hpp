// Served: a client's connection in transmission, from the client's side.
#pragma once
#include <atomic>
#include <string>
#include <thread>

#include "fake_disk.hpp"
#include "session/transmission.hpp"

namespace ashlar::host {

// Served by a thread of its own.
class Served {
 public:
  explicit Served(FakeDisk& disk, bool structured = true, std::uint32_t max_payload = 32u << 20)
      : chain_(disk.chain()),
        log_(*disk.exported().log.logger()),
        agreement_(disk.agreement(structured)),
        max_payload_(max_payload) {
    wire.limit_waiting(SO_RCVTIMEO, 5);
    thread_ = std::thread([this] { serve(); });
  }
  ~Served() {
    wire.hang_up();
    join();
  }

  static Bytes request(std::uint16_t type, std::uint64_t cookie, std::uint64_t offset, std::uint32_t length,
                       std::uint16_t flags = 0, std::uint32_t magic = protocol::request_magic) {
    using namespace protocol;
    Bytes b(request_size);
    put32(b.data(), magic);
    put16(b.data() + 4, flags);
    put16(b.data() + 6, type);
    put64(b.data() + 8, cookie);
    put64(b.data() + 16, offset);
    put32(b.data() + 24, length);
    return b;
  }
  static Bytes write_request(std::uint64_t cookie, std::uint64_t offset, const Bytes& payload) {
    Bytes b = request(protocol::cmd_write, cookie, offset, static_cast<std::uint32_t>(payload.size()));
    append(b, payload);
    return b;
  }
  // The next chunk; a simple reply's data are for the caller to receive.
  Chunk chunk() {
    return take_chunk([&](std::size_t n) { return wire.receive(n); });
  }
  // Data of a structured read in one piece.
  static Bytes data(const Chunk& c) {
    return c.type == protocol::reply_type_offset_data ? Bytes(c.payload.begin() + 8, c.payload.end()) : Bytes();
  }
  // Waits for the end of the session and tells why it ended.
  std::string reason() {
    join();
    return reason_;
  }
  void stop() {
    stopping_ = true;
    ::shutdown(wire.server(), SHUT_RD);
  }
  Transmission::Counts counts;  // once it has ended
  std::atomic<int> idled{0};
  BufferPool pool{64u << 20};
  WirePair wire;

 private:
  void serve() {
    Executor executor(4);
    Company company;
    Inbox inbox(pool);
    Transmission t(wire.server(), chain_, agreement_, inbox, stopping_,
                   Transmission::Surroundings{.max_payload = max_payload_,
                                              .busy_poll = {},
                                              .pool = pool,
                                              .executor = executor,
                                              .company = company,
                                              .log = log_});
    while (t.run() == Transmission::Outcome::idle) ++idled;
    reason_ = t.reason();
    counts = t.counts();
    ::shutdown(wire.server(), SHUT_RDWR);  // as closing it would
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  Chain& chain_;
  spdlog::logger& log_;
  const protocol::Agreement agreement_;
  const std::uint32_t max_payload_;
  std::atomic<bool> stopping_{false};
  std::string reason_;
  std::thread thread_;
};

}  // namespace ashlar::host
