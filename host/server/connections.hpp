// Connections: the sessions of all clients. Gives each a thread while its client talks, and waits for the idle ones
// together. Nothing here throws once it is made: where memory or threads are short, a client waits or ends, and the
// server goes on. (all members on the io thread, unless said otherwise)
#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <vector>

#include "server/parking.hpp"
#include "server/watch.hpp"
#include "session/session.hpp"

namespace ashlar::host {

class Connections {
 public:
  // `most`: connections at once; further clients are turned away. Throws std::system_error when the kernel lacks
  // descriptors.
  Connections(boost::asio::io_context& io, SessionContext& context, std::size_t most);
  ~Connections();  // after stop() has said that all have ended, and when no thread of the executor is left
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // Takes a client.
  void add(std::unique_ptr<Socket> socket, Peer peer) noexcept;
  // Tells every session to finish what is under way and to end. Calls `ended` when the last is gone; it does not throw.
  void stop(std::function<void()> ended);
  // Breaks all connections, whatever their sessions are doing; what runs inside modules goes on.
  void break_off() noexcept;

  // Takes no new clients any more. Calls `empty`, unless it is null, when the last has left. `empty` does not throw.
  void drain(std::function<void()> empty);
  bool draining() const noexcept { return draining_; }
  // How many connections there may be from now on; those that there are stay.
  void set_most(std::size_t most) noexcept { most_ = most; }
  // Tells the sessions of these numbers (Peer::number) to finish what is under way and to end.
  void end(const std::set<std::uint64_t>& numbers) noexcept;
  // Breaks the connection by this number (Peer::number). False: there is none.
  bool disconnect(std::uint64_t number) noexcept;

  // Calls `one` for each client: who it is, before TLS has told more, and the bytes of memory that it has. `one` calls
  // nothing of this.
  void for_each(const std::function<void(const Peer& peer, std::uint64_t memory)>& one) const;
  // Clients that have not ended.
  std::size_t size() const noexcept;
  // Whether there are as many as there may be: who comes is turned away.
  bool is_full() const noexcept { return size() >= most_; }
  // How many have been turned away so far, because there were as many as there may be.
  std::uint64_t turned_away() const noexcept { return turned_away_; }
  // Those of them for whom a reply waits because they do not take it.
  std::size_t not_taking_replies() const noexcept;

 private:
  class Client;
  using Clients = std::list<Client>;
  using Clock = Timer::Clock;

  bool has_place(const Peer& peer) noexcept;
  void complain(const Peer& peer, const char* why) noexcept;
  static void move(Client& client, Clients& to) noexcept;
  bool dispatch(Client& client) noexcept;
  void come_back(Client& client) noexcept;
  void take_back() noexcept;
  void park(Client& client) noexcept;
  void unpark(Client& client) noexcept;
  void remove(Client& client) noexcept;
  void look_at(Clock::time_point when) noexcept;
  void look() noexcept;
  void retry_those_without_thread() noexcept;
  std::list<Client*>::iterator place_in_handshake(Clock::time_point deadline) noexcept;
  void end_late_handshakes() noexcept;
  void run_those_who_hold_memory() noexcept;
  void tell_drained() noexcept;
  void trim_memory() noexcept;

  SessionContext& context_;
  std::size_t most_;
  // A client is in one of these. It moves from list to list without allocating.
  Clients running_;         // a thread of the executor has it, or is about to
  Clients without_thread_;  // no thread could be had; oldest first
  Clients parked_, parked_with_memory_;
  std::list<Client*> in_handshake_;         // or were so when last looked at; by deadline
  std::atomic<Client*> returned_{nullptr};  // by the executor's threads, newest first
  std::uint64_t last_number_ = 0;           // of a connection
  std::uint64_t turned_away_ = 0;
  std::size_t rests_ = 0;  // of clients that were parked or ended, since memory was last given back to the system
  Clock::time_point trim_at_ = Clock::time_point::max();
  bool stopping_ = false, draining_ = false;
  std::function<void()> ended_;
  std::vector<std::function<void()>> drained_;  // to be called when none is left

  Clock::time_point next_look_ = Clock::time_point::max();
  Timer timer_;
  Wakeup wakeup_;
  Parking parking_;
};

}  // namespace ashlar::host
