#include "job.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

#include "protocol/wire.hpp"

namespace ashlar::bench {
namespace {

constexpr std::array ops = {"read", "randread", "write", "randwrite", "zero", "trim", "mixed"};
constexpr std::uint64_t most_block = 32u << 20;
constexpr std::uint64_t most_depth = 4096;
constexpr std::uint64_t most_connections = 4096;

[[noreturn]] void refuse(std::string_view key, std::string_view text, const std::string& why) {
  throw std::invalid_argument(std::string(key) + ": \"" + std::string(text) + "\" " + why);
}

std::uint64_t number(std::string_view key, std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::string_view units = "KMGT";
  std::size_t shift = 0;
  if (unit.size() == 1 && units.find(unit[0]) != units.npos) {
    shift = 10 * (units.find(unit[0]) + 1);
    unit = {};
  }
  if (error != std::errc{} || !unit.empty()) refuse(key, text, "is not a number such as 32, 4K or 1G");
  if (n > (most >> shift) || (n << shift) < least)
    refuse(key, text, "is not within " + std::to_string(least) + " and " + std::to_string(most));
  return n << shift;
}

double seconds_of(const std::string& text) {
  std::size_t end = 0;
  double n = 0;
  try {
    n = std::stod(text, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  if (end == 0 || end != text.size() || !(n > 0 && n <= 86'400)) refuse("--seconds", text, "is not a time in seconds");
  return n;
}

void set(Job& job, std::string_view key, std::string_view value) {
  if (key == "op") {
    if (std::find(ops.begin(), ops.end(), value) == ops.end()) refuse(key, value, "is not an op");
    job.op = value;
  } else if (key == "block") {
    job.block = static_cast<std::uint32_t>(number(key, value, 1, most_block));
  } else if (key == "depth") {
    job.depth = static_cast<std::uint32_t>(number(key, value, 1, most_depth));
  } else if (key == "connections") {
    job.connections = static_cast<std::uint32_t>(number(key, value, 1, most_connections));
  } else {
    refuse("job", key, "is not one of op, block, depth, connections");
  }
}

Job parse_job(std::string_view text) {
  Job job;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, comma);
    const std::size_t equals = word.find('=');
    if (equals == word.npos) refuse("job", word, "is not KEY=VALUE");
    set(job, word.substr(0, equals), word.substr(equals + 1));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return job;
}

}  // namespace

const char* const usage =
    "usage: ashlar-bench-load [OPTION...] ADDRESS JOB...\n"
    "  ADDRESS             unix:PATH or tcp:HOST:PORT\n"
    "  JOB                 op=OP,block=BYTES,depth=N,connections=N; all jobs run at once, a thread per connection\n"
    "                      OP: read randread write randwrite zero trim mixed (random, 70 % reads)\n"
    "  --export NAME       default: the server's default export\n"
    "  --seconds S         how long (default 1)\n"
    "  --requests N        so many per connection, instead\n"
    "  --size BYTES        use only the beginning of the disk\n"
    "  --seed N            for the offsets (default 1)\n"
    "  --tls DIR           by TLS, with DIR/ca-cert.pem, client-cert.pem and client-key.pem\n"
    "  --simple            do not ask for structured replies\n"
    "Prints JSON. Exit codes: 0, 1 the server or a connection failed, 2 usage.\n";

std::uint16_t Job::other_command() const {
  if (op == "zero") return protocol::cmd_write_zeroes;
  if (op == "trim") return protocol::cmd_trim;
  return protocol::cmd_write;
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == argc) throw std::invalid_argument(word + ": wants a value");
      return argv[++i];
    };
    if (word == "--simple") options.structured = false;
    else if (word == "--tls") options.tls = value();
    else if (word == "--export") options.export_name = value();
    else if (word == "--seconds") options.seconds = seconds_of(value());
    else if (word == "--requests") options.requests = number(word, value(), 1, UINT64_MAX / 2);
    else if (word == "--size") options.size = number(word, value(), 1, INT64_MAX);
    else if (word == "--seed") options.seed = number(word, value(), 1, INT64_MAX);
    else if (word.starts_with("--")) throw std::invalid_argument(word + ": no such option");
    else if (options.address.empty()) options.address = word;
    else options.jobs.push_back(parse_job(word));
  }
  if (options.jobs.empty()) throw std::invalid_argument("give an address and at least one job");
  return options;
}

}  // namespace ashlar::bench
