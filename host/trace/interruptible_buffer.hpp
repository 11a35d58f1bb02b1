// InterruptibleBuffer: stdout for what a command prints. While nobody takes it, an Interrupt ends the wait: the stream
// fails then.
#pragma once
#include <array>
#include <streambuf>

namespace ashlar::host::traces {

class InterruptibleBuffer : public std::streambuf {
 public:
  // `fd` stays the caller's.
  explicit InterruptibleBuffer(int fd) : fd_(fd) { begin_anew(); }
  // Whether it failed because nobody reads the pipe or socket any more.
  bool reader_left() const { return reader_left_; }
  // errno of the write that failed; 0: none has.
  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override;
  int sync() override { return send() ? 0 : -1; }

 private:
  void begin_anew() { setp(buffer_.data(), buffer_.data() + buffer_.size()); }
  bool send();

  const int fd_;
  bool reader_left_ = false;
  int error_ = 0;
  std::array<char, 4096> buffer_;  // PIPE_BUF: so much can be written without waiting where poll() says that some can
};

}  // namespace ashlar::host::traces
