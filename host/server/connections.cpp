#include "server/connections.hpp"

#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

namespace ashlar::host {
namespace {

// After which a client is tried again for whom no thread could be had.
constexpr std::chrono::milliseconds retry{100};
// How often a parked session that holds memory is run, so that it finds its client too slow, while others want memory.
constexpr std::chrono::seconds memory_look{1};
// When so many clients have gone to rest, the allocator keeps memory that it does not give back by itself: what they
// had lies between what is still used.
constexpr std::size_t crowd = 64;
// How often that memory is given back at most: others wait for the allocator meanwhile. Longer than a thread of the
// executor that has nothing to do lives.
constexpr std::chrono::seconds trim_pause{6};

}  // namespace

class Connections::Client final : public Task {
 public:
  Client(Connections& all, std::unique_ptr<Socket> socket, const Peer& who, Clock::time_point end_of_handshake)
      : session(std::move(socket), who, all.context_), peer(who), deadline(end_of_handshake), all_(all) {}

  void run() noexcept override {
    outcome = session.run();
    all_.come_back(*this);
  }

  Session session;
  const Peer peer;                                    // as it came
  Session::Outcome outcome = Session::Outcome::idle;  // of the last run
  Clients* in = nullptr;                              // the list that it is in
  Clients::iterator place;                            // and where
  Clock::time_point deadline;                         // of the handshake, as it was when last looked at
  std::list<Client*>::iterator handshake_place;
  bool in_handshake = true;  // handshake_place is valid
  Client* next_returned = nullptr;

 private:
  Connections& all_;
};

Connections::Connections(boost::asio::io_context& io, SessionContext& context, std::size_t most)
    : context_(context),
      most_(most),
      timer_(io, [this] { look(); }),
      wakeup_(io, [this] { take_back(); }),
      parking_(io, [this](void* key) { dispatch(*static_cast<Client*>(key)); }) {}

Connections::~Connections() = default;

void Connections::add(std::unique_ptr<Socket> socket, Peer peer) noexcept {
  if (stopping_ || draining_ || !has_place(peer)) return;
  peer.number = ++last_number_;
  try {
    Clients one;
    Client& client =
        one.emplace_back(*this, std::move(socket), peer, Clock::now() + context_.settings->handshake_timeout);
    client.in = &one;
    client.place = one.begin();
    client.handshake_place = in_handshake_.insert(place_in_handshake(client.deadline), &client);
    look_at(client.deadline);
    dispatch(client);
  } catch (const std::exception& e) {
    complain(peer, e.what());
  }
}

// Clients that nobody serves may come again and again.
void Connections::complain(const Peer& peer, const char* why) noexcept {
  try {
    const std::string line = std::string("a client was lost: ") + why;
    context_.repeats.log(spdlog::level::err, line, [&] { return describe(peer) + ": " + line; });
  } catch (const std::bad_alloc&) {
    // A line is lost; the other clients are not.
  }
}

bool Connections::has_place(const Peer& peer) noexcept {
  if (!is_full()) return true;
  ++turned_away_;
  context_.repeats.log(spdlog::level::warn, "turned away: as many connections are open as may be", [&] {
    return describe(peer) + ": turned away: " + std::to_string(most_) + " connections are open";
  });
  return false;
}

void Connections::move(Client& client, Clients& to) noexcept {
  to.splice(to.end(), *client.in, client.place);
  client.in = &to;
}

// Has a thread run the client's session, now or when one can be had. Returns whether one could be had.
bool Connections::dispatch(Client& client) noexcept {
  try {
    context_.executor.submit(client);
  } catch (const std::exception&) {
    if (client.in != &without_thread_) move(client, without_thread_);
    look_at(Clock::now() + retry);
    return false;
  }
  move(client, running_);
  return true;
}

// Gives a client back whose session has been run. The client may be gone as soon as it is in the list. [the executor's
// threads]
void Connections::come_back(Client& client) noexcept {
  Client* before = returned_.load(std::memory_order_relaxed);
  do client.next_returned = before;
  while (!returned_.compare_exchange_weak(before, &client, std::memory_order_release, std::memory_order_relaxed));
  if (before == nullptr) wakeup_.ring();
}

void Connections::take_back() noexcept {
  Client* newest_first = returned_.exchange(nullptr, std::memory_order_acquire);
  Client* oldest_first = nullptr;
  while (newest_first != nullptr) {
    Client* const client = std::exchange(newest_first, newest_first->next_returned);
    client->next_returned = std::exchange(oldest_first, client);
  }
  while (oldest_first != nullptr) {
    Client& client = *std::exchange(oldest_first, oldest_first->next_returned);
    if (client.outcome == Session::Outcome::over) remove(client);
    else park(client);
    ++rests_;
  }
  if (rests_ >= crowd && trim_at_ == Clock::time_point::max()) {
    trim_at_ = Clock::now() + trim_pause;
    look_at(trim_at_);
  }
  if (size() != 0) return;
  if (ended_) std::exchange(ended_, {})();
  tell_drained();
}

// Waits for the client's next bytes, unless its session has something to do already.
void Connections::park(Client& client) noexcept {
  Socket& socket = client.session.socket();
  if (stopping_ || client.session.is_to_stop() || socket.holds_input()) {
    dispatch(client);
    return;
  }
  if (!parking_.enter(socket.watched_descriptor(), &client)) {
    complain(client.session.peer(), std::strerror(errno));
    client.session.abort();
    dispatch(client);  // it finds out and ends
    return;
  }
  const bool has_memory = client.session.holds_memory();
  move(client, has_memory ? parked_with_memory_ : parked_);
  if (has_memory) look_at(Clock::now() + memory_look);
}

// Has a parked session run though its socket has nothing to tell.
void Connections::unpark(Client& client) noexcept {
  parking_.remove(client.session.socket().watched_descriptor());
  dispatch(client);
}

void Connections::remove(Client& client) noexcept {
  if (client.in_handshake) in_handshake_.erase(client.handshake_place);
  client.in->erase(client.place);
}

void Connections::look_at(Clock::time_point when) noexcept {
  if (when >= next_look_) return;
  next_look_ = when;
  timer_.set(when);
}

// Does what is due.
void Connections::look() noexcept {
  next_look_ = Clock::time_point::max();
  end_late_handshakes();
  retry_those_without_thread();
  run_those_who_hold_memory();
  trim_memory();
}

// Behind those that are due before. Most are the last.
std::list<Connections::Client*>::iterator Connections::place_in_handshake(Clock::time_point deadline) noexcept {
  auto place = in_handshake_.end();
  while (place != in_handshake_.begin() && (*std::prev(place))->deadline > deadline) --place;
  return place;
}

void Connections::end_late_handshakes() noexcept {
  while (!in_handshake_.empty()) {
    Client& first = *in_handshake_.front();
    if (first.session.in_handshake()) {
      if (first.deadline > Clock::now()) return look_at(first.deadline);
      const Clock::time_point end = first.session.end_of_handshake();
      if (end > first.deadline) {
        first.deadline = end;
        in_handshake_.splice(place_in_handshake(end), in_handshake_, in_handshake_.begin());
        continue;
      }
      first.session.abort();
      if (first.in == &parked_ || first.in == &parked_with_memory_) unpark(first);
    }
    first.in_handshake = false;
    in_handshake_.pop_front();
  }
}

void Connections::retry_those_without_thread() noexcept {
  for (std::size_t left = without_thread_.size(); left != 0; --left)
    if (!dispatch(without_thread_.front())) return;
}

void Connections::run_those_who_hold_memory() noexcept {
  if (parked_with_memory_.empty()) return;
  if (context_.pool.wanted())
    while (!parked_with_memory_.empty()) unpark(parked_with_memory_.front());
  else look_at(Clock::now() + memory_look);
}

// Gives the system what the allocator keeps of clients that rest or have gone, unless most of them talk again.
void Connections::trim_memory() noexcept {
  if (trim_at_ > Clock::now()) return look_at(trim_at_);
  if (running_.size() > std::max(crowd, size()) / 4) {
    trim_at_ = Clock::now() + trim_pause;
    return look_at(trim_at_);
  }
  // After a crowd once more: its last ones may only be going to rest, and the threads that served it to end.
  trim_at_ = rests_ >= crowd ? Clock::now() + trim_pause : Clock::time_point::max();
  look_at(trim_at_);
  rests_ = 0;
  ::malloc_trim(0);
}

void Connections::stop(std::function<void()> ended) {
  stopping_ = true;
  for (Clients* clients : {&running_, &without_thread_, &parked_, &parked_with_memory_})
    for (Client& client : *clients) client.session.stop();
  for (Clients* clients : {&parked_, &parked_with_memory_})
    while (!clients->empty()) unpark(clients->front());
  if (size() == 0) return ended();
  ended_ = std::move(ended);
}

void Connections::drain(std::function<void()> empty) {
  draining_ = true;
  if (empty) drained_.push_back(std::move(empty));
  if (size() == 0) tell_drained();
}

void Connections::tell_drained() noexcept {
  for (const auto& empty : std::exchange(drained_, {})) empty();
}

void Connections::end(const std::set<std::uint64_t>& numbers) noexcept {
  for (Clients* clients : {&running_, &without_thread_, &parked_, &parked_with_memory_})
    for (auto one = clients->begin(); one != clients->end();) {
      Client& client = *one++;  // unpark() takes it out of the list
      if (!numbers.contains(client.peer.number)) continue;
      client.session.stop(Session::ended_by_reload);
      if (client.in == &parked_ || client.in == &parked_with_memory_) unpark(client);
    }
}

bool Connections::disconnect(std::uint64_t number) noexcept {
  for (Clients* clients : {&running_, &without_thread_, &parked_, &parked_with_memory_})
    for (Client& client : *clients) {
      if (client.peer.number != number) continue;
      client.session.disconnect("an operator ended the connection");
      if (clients == &parked_ || clients == &parked_with_memory_) unpark(client);
      return true;
    }
  return false;
}

void Connections::for_each(const std::function<void(const Peer&, std::uint64_t)>& one) const {
  for (const Clients* clients : {&running_, &without_thread_, &parked_, &parked_with_memory_})
    for (const Client& client : *clients) one(client.peer, client.session.memory());
}

void Connections::break_off() noexcept {
  for (Clients* clients : {&running_, &without_thread_})  // none is parked once it stops
    for (Client& client : *clients) client.session.abort();
}

std::size_t Connections::size() const noexcept {
  return running_.size() + without_thread_.size() + parked_.size() + parked_with_memory_.size();
}

std::size_t Connections::not_taking_replies() const noexcept {
  std::size_t n = 0;
  for (const Client& client : running_) n += client.session.waits_to_send() ? 1 : 0;
  return n;
}

}  // namespace ashlar::host
