// Socket: a client's connection as a stream of bytes. Nothing else in the host calls recv(2), send(2), sendfile(2) or
// shutdown(2) on a client's descriptor, or sets its options, so that something may stand between the session and the
// kernel (TLS, for one) without the session noticing.
#pragma once
#include <sys/types.h>
#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ashlar::host {

// One thread may send while another receives; two threads never send, nor receive, at once.
class Socket {
 public:
  // Whether a call waits, for at most `patience`, when it can do nothing at once.
  enum class Wait : bool { no, yes };
  static constexpr std::chrono::milliseconds patience{100};
  // Longest piece to give to one send() that waits: who sends more looks in between whether the client takes it fast
  // enough.
  static constexpr std::size_t piece = std::size_t{1} << 20;

  Socket() = default;
  virtual ~Socket() = default;  // closes the connection; see finish() for the polite way
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Receives what has come, at most into.size() bytes. Returns their number, 0 at the end of the stream, or a negative
  // errno number: -EAGAIN when nothing has come; of TLS, -EPROTO when it is damaged, -EBADMSG when the stream ends
  // within a record, and -ENOBUFS when the client wants answers of TLS and takes none. `into` is not empty.
  // [the receiving thread]
  virtual ssize_t receive(std::span<std::byte> into, Wait wait) = 0;
  // Whether receive() would return something else than -EAGAIN now. [the receiving thread]
  virtual bool has_input() = 0;
  // Waits until there may be something to receive, or until `patience` is over; returns whether there may be. Takes no
  // memory to find out. [the receiving thread]
  virtual bool wait_for_input() = 0;
  // Whether bytes can be received that the kernel's socket does not show, because they lie inside: then nobody must
  // wait for watched_descriptor(). [the receiving thread]
  virtual bool holds_input() const = 0;
  // Gives back memory that is not needed until something is received or sent. [who receives and sends]
  virtual void rest() {}
  // Whether the client has closed both directions, or is out of reach: nothing that is sent will be taken. [any thread]
  virtual bool is_gone() = 0;
  // To be waited for with poll(2) and its like: it is readable when there may be something to receive. Nothing else is
  // done with it, but that TLS has the kernel encrypt what is sent to it.
  virtual int watched_descriptor() const = 0;

  // Sends bytes of `parts`, in order; returns how many were taken, at least one, or a negative errno number: -EAGAIN
  // when none was. `more`: what follows comes at once, so that it may travel together, and wait for that. [the sending
  // thread]
  virtual ssize_t send(std::span<const iovec> parts, Wait wait, bool more) = 0;
  // Whether send_file() may be called: whether it is cheaper than to read the file and to send what was read.
  // Those of the program all say so.
  virtual bool can_send_files() const = 0;
  // What send_file() has come to.
  struct FileSent {
    ssize_t bytes = 0;  // taken; 0: the file ends there; or a negative errno number: -EAGAIN: none were taken
    bool is_of_connection = false;  // the error; else it is of the file
  };
  // Sends up to `length` bytes that `fd` has at `offset`. Waits for the client. [the sending thread]
  virtual FileSent send_file(int fd, std::uint64_t offset, std::size_t length) = 0;

  // Breaks the connection: whoever waits to send or receive returns with an error. The client is told first as TLS
  // tells it, unless a part of a record is left that it does not take; who sends at this moment does that, within
  // `patience`. Waits for nobody. [any thread]
  virtual void abort() = 0;
  // Ends the stream behind what was sent and closes it when the client has ended its own, or sends nothing for
  // `patience`, or after a second: input that nobody has read would make the kernel throw away what the client has not
  // taken yet (RFC 2525, 2.17). Call it last. [the thread that does all]
  virtual void finish() noexcept = 0;
};

// Why nothing more can be received, in words for the log. `result`: what receive() has returned, below 0.
std::string why_not_received(ssize_t result);

}  // namespace ashlar::host
