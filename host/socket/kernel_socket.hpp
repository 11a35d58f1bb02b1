// KernelSocket: a tcp or unix connection, straight to the kernel.
#pragma once
#include <string>

#include "socket/peer.hpp"
#include "socket/socket.hpp"

namespace ashlar::host {

class KernelSocket final : public Socket {
 public:
  struct Options {
    // Seconds after which a tcp client's machine that does not answer counts as gone; 0: never. (tcp(7): TCP_KEEPIDLE,
    // TCP_USER_TIMEOUT)
    unsigned keepalive = 0;
    // The congestion control for clients on other machines; empty: as the socket has it.
    std::string congestion_control;
  };

  // Takes the connected, blocking socket `fd` and sets its options for `peer`.
  KernelSocket(int fd, const Peer& peer, const Options& options);
  explicit KernelSocket(int fd);  // of a client on this machine, with the usual options
  ~KernelSocket() override;

  ssize_t receive(std::span<std::byte> into, Wait wait) override;
  bool has_input() override;
  bool wait_for_input() override;
  bool holds_input() const override { return false; }
  bool is_gone() override;
  int watched_descriptor() const override { return fd_; }
  ssize_t send(std::span<const iovec> parts, Wait wait, bool more) override;
  bool can_send_files() const override { return true; }
  FileSent send_file(int fd, std::uint64_t offset, std::size_t length) override;
  void abort() override;
  void finish() noexcept override;

 private:
  const int fd_;
};

}  // namespace ashlar::host
