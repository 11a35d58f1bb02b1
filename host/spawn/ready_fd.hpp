// ReadyFd: a descriptor on which whoever starts the server hears that it is ready, as with s6 or a pipe of one's own.
#pragma once
#include <string>
#include <vector>

namespace ashlar::host {

class ReadyFd {
 public:
  // Takes the descriptor of the number `text`, which is open for writing. No program that the server starts inherits
  // it. Throws std::invalid_argument when it is none, not open, or stdin or stderr.
  explicit ReadyFd(const std::string& text);
  ~ReadyFd() { close(); }
  ReadyFd(const ReadyFd&) = delete;
  ReadyFd& operator=(const ReadyFd&) = delete;

  // Writes "READY=1" and one address a line, and closes it. Returns 0, or an errno number when nobody reads it.
  int tell(const std::vector<std::string>& addresses) noexcept;

 private:
  void close() noexcept;
  int fd_ = -1;
};

}  // namespace ashlar::host
