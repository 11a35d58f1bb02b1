// Served: a client's connection in transmission, from the client's side.
#pragma once
#include <atomic>
#include <string>
#include <thread>

#include "fake_disk.hpp"
#include "parts.hpp"
#include "session/transmission.hpp"

namespace ashlar::host {

// What the server has.
struct Has {
  std::size_t memory = 64u << 20;  // besides the session's share
  std::size_t stacks = 2000;
  unsigned workers = 4;
  bool io_uring = true;  // unless the system forbids it
};

// Served by a thread of its own.
class Served {
 public:
  // `received`: has come with the handshake.
  explicit Served(FakeDisk& disk, bool structured = true, std::uint32_t max_payload = 32u << 20,
                  const Bytes& received = {})
      : Served(disk, Has(), structured, max_payload, received) {}
  Served(FakeDisk& disk, Has has, bool structured = true, std::uint32_t max_payload = 32u << 20,
         const Bytes& received = {})
      : pool(with_room(has.memory)),
        stacks(has.stacks),
        has_(has),
        chain_(disk.chain()),
        repeats_(disk.exported().log.logger()),
        agreement_(disk.agreement(structured)),
        max_payload_(max_payload) {
    wire.limit_waiting(SO_RCVTIMEO, 5);  // it idles soon
    wire.send(received);
    while (parts_.inbox.unread().size() < received.size()) parts_.inbox.receive(*parts_.socket, Socket::Wait::yes);
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
  void stop() { parts_.stopping = true; }
  bool waits_to_send() const { return parts_.waits_to_send; }
  Summary counts;  // once it has ended
  std::atomic<int> idled{0};
  static constexpr std::size_t memory = Has().memory;
  BufferPool pool;
  StackPool stacks;

 private:
  Parts parts_{pool};

 public:
  WirePair& wire = parts_.wire;

 private:
  void serve() {
    Executor executor;
    Workers workers(has_.workers);
    ActiveClients clients;
    std::atomic<bool> no_io_uring{!has_.io_uring};
    Transmission t(chain_, agreement_,
                   {.socket = *parts_.socket,
                    .waiter = parts_.waiter,
                    .memory = parts_.memory,
                    .inbox = parts_.inbox,
                    .stopping = parts_.stopping,
                    .waits_to_send = parts_.waits_to_send,
                    .who = {}},
                   {.max_payload = max_payload_,
                    .busy_poll = {},
                    .executor = executor,
                    .workers = workers,
                    .stacks = stacks,
                    .clients = clients,
                    .no_io_uring = no_io_uring,
                    .repeats = repeats_});
    while (parts_.memory.claim_share() && t.run() == Transmission::Outcome::idle) {
      ++idled;
      if (!parts_.inbox.has_buffer()) parts_.memory.give_share_back();
    }
    reason_ = t.reason();
    counts = t.totals();
    parts_.socket->abort();  // as closing it would
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  const Has has_;
  Chain& chain_;
  Repeats repeats_;
  const protocol::Agreement agreement_;
  const std::uint32_t max_payload_;
  std::string reason_;
  std::thread thread_;
};

}  // namespace ashlar::host
