// What README.md tells of [server] and [[export]] is so: the keys, their defaults and their ranges.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

#include "config/config.hpp"
#include "protocol/block_sizes.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

using Cells = std::vector<std::string>;

constexpr const char* short_config = "[[export]]\nname = \"disk\"\nplugin = { type = \"file\" }\n";

// The rows of the table whose first heading is `heading`.
std::vector<Cells> rows_of(const std::string& heading) {
  std::ifstream in(ASHLAR_README);
  std::vector<Cells> rows;
  bool within = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("| " + heading)) within = true;
    else if (!line.starts_with("| `")) within = within && line.starts_with("|--");
    else if (within) {
      Cells& cells = rows.emplace_back();
      std::istringstream rest(line.substr(2));
      for (std::string cell; std::getline(rest, cell, '|');) {
        const auto first = cell.find_first_not_of(' ');
        cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
      }
    }
  }
  REQUIRE(rows.size() > 4);
  return rows;
}

// What stands in `cell` between backquotes.
Cells quoted(const std::string& cell) {
  Cells all;
  for (auto open = cell.find('`'); open != std::string::npos;) {
    const auto close = cell.find('`', open + 1);
    REQUIRE(close != std::string::npos);
    all.push_back(cell.substr(open + 1, close - open - 1));
    open = cell.find('`', close + 1);
  }
  return all;
}

std::string read_text(const std::string& text, Config* into = nullptr) {
  const TempFolder folder;
  try {
    const Config config = read_config(folder.write("a.toml", text));
    if (into != nullptr) *into = config;
    return "";
  } catch (const ConfigError& e) {
    return e.what();
  }
}

std::string server(const std::string& key, const std::string& value) {
  return "[server]\n" + key + " = " + value + "\n" + short_config;
}

// All that [server] can say, in words.
std::string words(const ServerConfig& s) {
  std::ostringstream out;
  for (const ListenAddress& address : s.listen) out << address.text << ' ';
  out << static_cast<int>(s.log_format) << ' ' << s.user.has_value() << ' ' << s.group.has_value() << ' ';
  out << static_cast<int>(s.log_level) << ' ' << s.module_path.size() << ' ' << s.max_connections << ' '
      << s.handshake_timeout.count() << ' ' << ashlar::protocol::payload_limits(s.max_payload).advertised << ' '
      << s.workers << ' ' << s.max_memory << ' ' << (s.busy_poll ? s.busy_poll->count() : -1) << ' '
      << s.keepalive.count() << ' ' << static_cast<int>(s.sandbox.mode) << s.sandbox.connect;
  return out.str();
}

// The keys that the code names when it meets one that it does not know.
Cells known_keys(const std::string& text) {
  const std::string error = read_text(text);
  REQUIRE(error.find("known: ") != std::string::npos);
  std::istringstream in(error.substr(error.find("known: ") + 7));
  Cells keys;
  for (std::string key; std::getline(in >> std::ws, key, ',');) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

Cells keys_of(const std::vector<Cells>& rows) {
  Cells keys;
  for (const Cells& row : rows)
    for (const std::string& key : quoted(row.at(0))) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

// The number next to `value`, or the size, outside of a range that ends there.
std::string beyond(const std::string& value, bool above) {
  if (value.find('.') != std::string::npos) return value.substr(0, value.size() - 1) + "0";  // 0.001
  if (value[0] != '"') return std::to_string(std::stoll(value) + (above ? 1 : -1));
  const std::string number = value.substr(1, value.size() - 3), unit = value.substr(value.size() - 2, 1);
  return "\"" + std::to_string(std::stoll(number) + (above ? 1 : -1)) + unit + "\"";
}

}  // namespace

TEST_CASE("README: the keys are those that are read") {
  CHECK(keys_of(rows_of("`[server]` key")) == known_keys("[server]\nqqqqqqqqqqqqqqqq = 1\n"));
  Cells of_export = keys_of(rows_of("`[[export]]` key"));
  of_export.insert(of_export.end(), {"filter", "plugin"});
  std::sort(of_export.begin(), of_export.end());
  CHECK(of_export == known_keys("[[export]]\nqqqqqqqqqqqqqqqq = 1\n"));
}

TEST_CASE("README: the keys of the tables within are those that are read") {
  const auto known = [](const std::string& line) { return known_keys("[server]\n" + line + "\n" + short_config); };
  CHECK(keys_of(rows_of("key of `tls`")) == known("tls = { mode = \"off\", qqqqqqqqqqqqqqqq = 1 }"));
  CHECK(keys_of(rows_of("key |")) == known("allow = [ { qqqqqqqqqqqqqqqq = 1 } ]"));
  // Of an address, the text has them in two examples.
  std::ifstream in(ASHLAR_README);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  for (const std::string& key : known("listen = [ { qqqqqqqqqqqqqqqq = 1 } ]")) {
    INFO(key);
    const bool first = text.find("`{ " + key + " = ") != std::string::npos;
    CHECK((first || text.find(", " + key + " = ") != std::string::npos));
  }
}

TEST_CASE("README: the defaults are what holds when a key is left out") {
  Config defaults, given;
  REQUIRE(read_text(short_config, &defaults).empty());
  for (const Cells& row : rows_of("`[server]` key")) {
    INFO(row.at(0) << " " << row.at(1));
    const std::string key = quoted(row.at(0)).at(0);
    if (key == "allow" || key == "control" || key == "metrics") continue;  // no value says what its absence does
    CHECK(read_text(server(key, quoted(row.at(1)).at(0)), &given) == "");
    CHECK(words(given.server) == words(defaults.server));
  }
  const auto rows = rows_of("`[[export]]` key");
  const auto told = [&](const std::string& key) {
    for (const Cells& row : rows)
      if (quoted(row.at(0)).at(0) == key) return row.at(1);
    return std::string();
  };
  const auto text = [](bool value) { return std::string(value ? "`true`" : "`false`"); };
  CHECK(told("name") == "needed");
  CHECK(told("description") == "`\"" + defaults.exports.at(0).description + "\"`");
  CHECK(told("read_only") == text(defaults.exports.at(0).read_only));
  CHECK(told("optional") == text(defaults.exports.at(0).optional));
  CHECK(told("max_connections") == (defaults.exports.at(0).max_connections ? "" : "none"));
  CHECK(told("multi_conn") == (defaults.exports.at(0).multi_conn ? "`\"auto\"`" : "`\"off\"`"));
  CHECK(told("exclusive") == text(defaults.exports.at(0).exclusive));
  CHECK(told("allow") == "as `[server]` has it");
  CHECK(told("zero_emulation") == text(defaults.exports.at(0).zero_emulation));
  CHECK(told("follow_links") == text(defaults.exports.at(0).follow_links));
}

TEST_CASE("README: each range ends where the code ends it") {
  int ranges = 0;
  for (const Cells& row : rows_of("`[server]` key")) {
    const std::string key = quoted(row.at(0)).at(0);
    const Cells range = quoted(row.at(2));
    INFO(key << " " << row.at(2));
    if (row.at(2).find("` to `") == std::string::npos) {
      for (const std::string& one : range) CHECK(read_text(server(key, one)) == "");
      continue;
    }
    ++ranges;
    REQUIRE(range.size() == 2);
    for (const bool high : {false, true}) {
      CHECK(read_text(server(key, range[high])) == "");
      CHECK_THAT(read_text(server(key, beyond(range[high], high))), ContainsSubstring("is out of range"));
    }
  }
  CHECK(ranges == 7);
}
