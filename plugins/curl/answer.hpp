// Answer: what a server says before the bytes of an answer, and whether these are the bytes that were asked for. Pure.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What a server has said of the file when it was opened.
struct Identity {
  std::uint64_t size = 0;  // bytes
  std::string etag;        // as it was sent; empty: none
  std::string modified;    // likewise, Last-Modified
};

// Whether an ETag promises equal bytes, where it is equal. A weak one does not. (RFC 9110, 8.8.1)
inline bool is_strong(std::string_view etag) { return !etag.empty() && !etag.starts_with("W/"); }

// Why a request has failed.
struct Fault {
  int code = 0;                         // an errno number; 0: it has not failed
  bool may_pass = false;                // another try may succeed
  std::string text = {};                // one line, without who and where
  std::chrono::seconds retry_after{0};  // the server wants to be left alone for so long

  explicit operator bool() const { return code != 0; }
};

// The header fields of the last answer that has begun, of several where the server redirects.
class Answer {
 public:
  void clear();
  // One line of the header, with or without its end.
  void line(std::string_view text);

  int status() const { return status_; }  // 0: none yet
  const std::string& etag() const { return etag_; }
  const std::string& modified() const { return modified_; }
  const std::string& location() const { return location_; }
  // What Content-Range says of the whole file.
  std::optional<std::uint64_t> total() const { return total_; }
  // Likewise, that the range which was asked for lies outside of it ("bytes */1234").
  bool is_outside() const { return status_ == 416 && !range_ && !malformed_; }

  // What is wrong with an answer to who has asked for `length` bytes at `offset` of a file that is `known`, or not yet.
  Fault fault(std::uint64_t offset, std::uint64_t length, const Identity* known) const;

 private:
  struct Range {
    std::uint64_t first, last;  // both included
  };
  void content_range(std::string_view value);

  int status_ = 0;
  std::string etag_, modified_, location_, encoding_;
  std::optional<Range> range_;
  std::optional<std::uint64_t> total_;
  bool malformed_ = false;  // Content-Range is none, or there are two
};

// How the file differs from the one that is `known`. `size`: none was told.
Fault fault_of_change(const Identity& known, std::optional<std::uint64_t> size, const std::string& etag,
                      const std::string& modified);

// An answer's status that is an error. Status 0: none came.
Fault fault_of_status(int status);
