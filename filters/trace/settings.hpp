// What the config says of a layer that traces.
#pragma once
#include <ashlar/device.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "format/file_writer.hpp"

namespace ashlar::trace {

struct Settings {
  std::string path;
  std::string tag;
  bool topmost = false;  // no layer stands above
  bool append = false;
  PayloadKind payload = PayloadKind::none;
  std::uint64_t max_size = 0;  // bytes; 0: no limit
  bool wait = false;           // rather than drop
  std::uint64_t ring = 0;      // bytes; 0: everything goes to `path`
  // Triggers.
  std::optional<std::uint64_t> slower;  // nanoseconds
  bool on_error = false;
  bool on_signal = false;

  // Throws BadParameter for what cannot be, or cannot be written to. Changes nothing.
  static Settings from(const Create& create);
  // Throws BadParameter when the file cannot be written by who asks. Changes nothing.
  void refuse_unfit() const;

  // The file that is being written: `path`, or the ring.
  std::string file() const { return ring == 0 ? path : path + ".ring"; }
  // As many files are kept: rings that were written out, or traces of servers that were killed.
  std::uint64_t most_files() const {
    if (ring == 0) return 10;
    return max_size == 0 ? 10'000 : std::max<std::uint64_t>(max_size / ring, 1);
  }
  FileWriter::Options file_options(std::uint64_t run) const {
    return {.append = ring == 0 && append,
            .max_size = ring == 0 ? max_size : ring,
            .data = payload == PayloadKind::data,
            .moves = ring != 0,
            .run = run};
  }

  static constexpr const char* payloads[] = {"none", "hash", "data", nullptr};
  static constexpr const char* when_fulls[] = {"drop", "wait", nullptr};
  static constexpr Param params[] = {
      Param::path("path", "the file to write").needed(),
      Param::boolean("append", "go on behind what is in the file").or_else("false"),
      Param::string("tag", "the layer's name in the trace; its number in the chain, unless given"),
      Param::choice("payload", payloads, "what to keep of the bytes of reads and writes").or_else("none"),
      Param::size("max_size", "of the file: the newest is kept; 0: no limit").or_else("1G"),
      Param::choice("when_full", when_fulls, "what a request does when the file cannot keep up").or_else("drop"),
      Param::size("ring", "keep so much in PATH.ring, and write PATH when a trigger says so; 0: write all")
          .or_else("0"),
      Param::list(Param::string("trigger", "of the ring: \"slower 50ms\", \"error\", \"signal\" (SIGUSR1)")),
  };
};

}  // namespace ashlar::trace
