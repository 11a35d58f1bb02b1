// What a trace tells: requests, the places that saw them, the clients that made them.
#pragma once
#include <ashlar/ops.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>

#include "layout.hpp"

namespace ashlar::trace {

using Texts = std::map<std::string, std::string, std::less<>>;

// One layer that traced, in one run of a server.
struct Place {
  std::string file;  // as it was opened
  std::uint64_t run = 0;
  std::uint16_t number = 0;  // in the file
  std::string tag;
  std::string exported;  // the export's name in the config
  Texts texts;           // all of its entry, see FORMAT.md: "version", "host", "ops" …
  std::uint64_t size = 0;
  std::uint32_t minimum = 1, preferred = 4096, maximum = 0;
  PayloadKind payload = PayloadKind::none;
  // Of the run in this file: add to a time of CLOCK_MONOTONIC to have that of CLOCK_REALTIME, both in nanoseconds.
  std::int64_t to_realtime = 0;
};

// Who made the requests of a connection.
struct Client {
  std::uint64_t run = 0;
  std::uint64_t connection = 0;
  const Place* place = nullptr;
  std::uint64_t came = 0;  // nanoseconds of CLOCK_MONOTONIC
  Texts texts;             // see FORMAT.md
};

// One request, as one place saw it. Times: nanoseconds of CLOCK_MONOTONIC.
struct Record {
  std::uint64_t run = 0;  // with connection and id: the client's request, in all places
  std::uint64_t id = 0;
  std::uint64_t connection = 0;
  Op op = Op::read;  // may be one that this revision does not know
  Flags flags;
  std::uint64_t offset = 0;  // bytes
  std::uint64_t length = 0;
  std::uint64_t start = 0;
  std::uint64_t done = 0;
  std::uint64_t sent = 0;   // 0: not known, or never
  std::int32_t result = 0;  // 0, or the errno's number
  std::uint32_t depth = 0;
  std::uint8_t tries = 1;
  bool told_nothing = false;  // the reply did not reach the client
  bool left_out = false;      // its payload was too long to be kept
  PayloadKind payload = PayloadKind::none;
  const Place* place = nullptr;  // valid as long as the reader
  // Where it is, for payload().
  std::uint64_t segment = 0;   // position of its segment in the file
  std::uint64_t sequence = 0;  // of its segment
  std::uint64_t position = 0;  // of its entry in the file

  std::uint64_t end() const { return offset + length; }
  // Whether both are of one client's request.
  bool same_request(const Record& other) const {
    return run == other.run && connection == other.connection && id == other.id && id != 0;
  }
};

// A file that is no trace, or cannot be read. The text names it, and the offset.
class TraceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// It may be as it should: there is not enough memory for what stands there.
class NoMemory : public TraceError {
 public:
  using TraceError::TraceError;
};

// What a reader tells beside records. All may be called at any time while records are read.
class Listener {
 public:
  virtual ~Listener() = default;
  // Something could not be read, or is missing; "FILE: offset N: …". Reading goes on behind it.
  virtual void problem(const std::string& text) { static_cast<void>(text); }
  // So many segments were written over before they could be read, as it happens when a server writes meanwhile.
  virtual void overtaken(std::uint64_t segments, const std::string& text) {
    static_cast<void>(segments);
    problem(text);
  }
  // Once for each connection and file.
  virtual void client(const Client& client) { static_cast<void>(client); }
  // So many bytes more of a file have been read; a long file is read twice. What is thrown comes out of the reader's
  // function that was called.
  virtual void read(std::uint64_t bytes) { static_cast<void>(bytes); }
};

// What is known to be missing, and how the trace ends. Complete when all records have been read.
struct Completeness {
  std::uint64_t records = 0;
  std::uint64_t dropped = 0;    // requests without a record
  std::uint64_t left_out = 0;   // records without their payload
  std::uint64_t killed = 0;     // runs without an end, and behind each another one: what they saw last is missing
  bool beginning_lost = false;  // of a run, or of the runs: older segments were written over
  bool broken = false;          // a break, or a segment that is missing between two others
  bool ended = false;           // the newest run was closed; else the server still ran, or was killed

  // Whether nothing is missing but what came after the end.
  bool whole() const { return dropped == 0 && left_out == 0 && !beginning_lost && !broken; }
};

}  // namespace ashlar::trace
