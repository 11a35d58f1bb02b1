// Job: what one group of connections asks for. Options: what the command line says.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::bench {

struct Job {
  std::string op = "randread";  // see `order` and `commands`
  std::uint32_t block = 4096;   // bytes of each request
  std::uint32_t depth = 1;      // requests in flight per connection
  std::uint32_t connections = 1;

  // The offsets are drawn, or follow each other (each connection in a part of its own).
  bool random() const { return op.starts_with("rand") || op == "mixed"; }
  // Of a hundred requests, how many are reads; the others are the job's other command.
  std::uint32_t reads_in_hundred() const { return op == "mixed" ? 70 : op == "read" || op == "randread" ? 100 : 0; }
  // The protocol's number of the command that is not a read.
  std::uint16_t other_command() const;
};

struct Options {
  std::string address;  // unix:PATH or tcp:HOST:PORT
  std::string export_name;
  std::string tls;             // the folder of a client's certificate; empty: plainly
  bool structured = true;      // ask for structured replies
  double seconds = 1;          // how long to send
  std::uint64_t requests = 0;  // per connection, instead of `seconds`; 0: not so
  std::uint64_t size = 0;      // bytes of the disk to use; 0: all
  std::uint64_t seed = 1;
  std::vector<Job> jobs;
};

// Throws std::invalid_argument with a line for people.
Options parse_options(int argc, char** argv);
extern const char* const usage;

}  // namespace ashlar::bench
