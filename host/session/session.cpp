#include "session/session.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace ashlar::host {
namespace {

constexpr timeval receive_timeout{.tv_sec = 0, .tv_usec = std::chrono::microseconds(Transmission::patience).count()};
constexpr timeval send_timeout{.tv_sec = 10, .tv_usec = 0};  // see Outlet
// Large reads gain much from a send buffer that takes them whole.
constexpr int send_buffer = 1 << 20;

}  // namespace

Session::Session(int fd, std::string peer, SessionContext& context)
    : fd_(fd),
      peer_(std::move(peer)),
      context_(context),
      deadline_(std::chrono::steady_clock::now() + context.handshake_timeout),
      inbox_(context.pool) {
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &receive_timeout, sizeof receive_timeout);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof send_timeout);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  handshake_.emplace(static_cast<protocol::Catalog&>(*this), protocol::HandshakeLimits{context.max_payload});
}

Session::~Session() {
  transmission_.reset();
  chain_.reset();
  ::close(fd_);
}

Session::Outcome Session::run() noexcept {
  try {
    return transmission_ ? transmit() : shake_hands();
  } catch (const std::bad_alloc&) {
    return end("out of memory");
  } catch (const std::exception& e) {
    return end(e.what());
  }
}

void Session::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  ::shutdown(fd_, SHUT_RD);
}

void Session::abort() {
  stopping_.store(true, std::memory_order_relaxed);
  ::shutdown(fd_, SHUT_RDWR);
}

Session::Outcome Session::shake_hands() {
  using State = protocol::Handshake::State;
  for (;;) {
    while (handshake_->state() == State::talking) {
      const std::size_t used = handshake_->feed(inbox_.unread());
      if (used == 0) break;
      inbox_.consume(used);
    }
    if (!send_output()) return end(std::strerror(errno));
    if (handshake_->state() == State::closed) return end(handshake_->reason());
    if (handshake_->state() == State::transmission) break;
    if (late()) return end("handshake took too long");
    if (stopping_.load(std::memory_order_relaxed)) return end("server stops");

    inbox_.expect(protocol::Handshake::max_message());
    const ssize_t n = inbox_.receive(fd_);
    if (n == 0) return end(late() ? "handshake took too long" : "closed by the client");
    if (n < 0 && errno != EAGAIN) return end(std::strerror(errno));
    if (n < 0) {
      inbox_.give_back();
      return Outcome::idle;
    }
  }
  in_transmission_.store(true, std::memory_order_relaxed);
  const protocol::Agreement agreement = handshake_->agreement();
  open(agreement.export_index);  // there already
  handshake_.reset();
  context_.log->info("{}: opened export \"{}\"", peer_, chain_->exported().name());
  transmission_.emplace(fd_, *chain_, agreement, inbox_, stopping_,
                        Transmission::Surroundings{.max_payload = context_.max_payload,
                                                   .busy_poll = context_.busy_poll,
                                                   .pool = context_.pool,
                                                   .executor = context_.executor,
                                                   .company = context_.company,
                                                   .log = *context_.log});
  return transmit();
}

bool Session::send_output() {
  std::vector<std::byte>& out = handshake_->output();
  std::size_t sent = 0;
  while (sent < out.size()) {
    const ssize_t n = ::send(fd_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  out.clear();
  return true;
}

Session::Outcome Session::transmit() {
  if (transmission_->run() == Transmission::Outcome::idle) return Outcome::idle;
  return end(transmission_->reason());
}

bool Session::late() const { return std::chrono::steady_clock::now() >= deadline_; }

Session::Outcome Session::end(const std::string& reason) {
  if (transmission_) {
    const Transmission::Counts& n = transmission_->counts();
    context_.log->info("{}: closed export \"{}\": {}; {} requests, {} bytes read, {} bytes written, {} errors", peer_,
                       chain_->exported().name(), reason, n.requests, n.bytes_read, n.bytes_written,
                       transmission_->errors());
  } else {
    context_.log->info("{}: closed in the handshake: {}", peer_, reason);
  }
  // Not in the destructor: a module may take its time to close, and whoever destroys this has other clients, too.
  transmission_.reset();
  chain_.reset();
  return Outcome::over;
}

protocol::Catalog::Opened Session::open(std::size_t index) {
  if (chain_ && open_index_ == index) return {&chain_->geometry(), {}};
  chain_.reset();
  try {
    chain_ = context_.exports[index]->open();
  } catch (const OpenError& e) {
    context_.log->error("{}: {}", peer_, e.what());
    return {nullptr, e.told_to_client(peer_.starts_with("unix"))};
  } catch (const std::exception& e) {
    context_.log->error("{}: {}", peer_, e.what());
    return {nullptr, "the export cannot be opened; the server's log says why"};
  }
  open_index_ = index;
  return {&chain_->geometry(), {}};
}

}  // namespace ashlar::host
