// ConfigReader's addresses to listen at, in their short form and as tables.
#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "config/account.hpp"
#include "config/listen_address.hpp"
#include "config/reader.hpp"
#include "config/reader_table.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t most_addresses = 256;
constexpr std::uint32_t all_rights = 0777, rights_to_write = 0222;

// The mode that 3 or 4 octal digits stand for.
mode_t parse_mode(const std::string& text) {
  std::uint32_t mode = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  const bool octal =
      error == std::errc{} && rest == text.data() + text.size() && (text.size() == 3 || text.size() == 4);
  if (!octal || mode > all_rights)
    throw std::invalid_argument(in_quotes(text) + " is not a mode; write its octal digits, such as \"0660\"");
  if ((mode & rights_to_write) == 0)
    throw std::invalid_argument(in_quotes(text) +
                                " lets nobody connect; that takes the right to write, as in \"0660\"");
  return mode;
}

}  // namespace

std::span<const ConfigReader::Key<ConfigReader::ListenTable>> ConfigReader::listen_keys() {
  static constexpr Key<ListenTable> keys[] = {
      {"unix", &ConfigReader::read_listen_address}, {"tcp", &ConfigReader::read_listen_address},
      {"fd", &ConfigReader::read_listen_address},   {"mode", &ConfigReader::read_mode},
      {"owner", &ConfigReader::read_owner},         {"group", &ConfigReader::read_group}};
  return keys;
}

void ConfigReader::read_listen(const TomlEntry& entry, ServerConfig& into) const {
  const TomlArray& nodes = array(entry, "an array of addresses", R"(write listen = ["tcp:127.0.0.1:10809"])");
  if (nodes.empty())
    fail(entry.node.place, entry.key, "is empty; name an address, or leave the key out for tcp:127.0.0.1:10809");
  if (nodes.size() > most_addresses) fail(entry.node.place, entry.key, "has more than 256 addresses; name fewer");
  const auto read_address = [&](const TomlNode& node) {
    std::optional<ListenAddress> address = listen_address(entry.key, node);
    if (!address) return;
    const auto twice = [&](const ListenAddress& other) { return same_address(other, *address); };
    if (std::any_of(into.listen.begin(), into.listen.end(), twice))
      fail(node.place, entry.key, in_quotes(address->text) + " is listed twice; take one out");
    into.listen.push_back(std::move(*address));
  };
  for (const TomlNode& node : nodes) mistakes_.gather([&] { read_address(node); });
}

std::optional<ListenAddress> ConfigReader::listen_address(const std::string& key, const TomlNode& node) const {
  const auto* const table = std::get_if<TomlTable>(&node.value);
  std::optional<ListenAddress> address =
      table != nullptr ? listen_table(key, *table, node.place) : std::optional(listen_text(key, node));
  if (address) address->place = node.place;
  return address;
}

// What is told at them is not the same, so that no two of them can be at one address.
void ConfigReader::check_addresses(const ServerConfig& server) const {
  const auto check = [&](const char* key, const ListenAddress& address, const char* other_key,
                         const ListenAddress& other) {
    if (same_address(address, other))
      tell(address.place, key, in_quotes(address.text) + " is an address of " + other_key + ", too; take another one");
  };
  for (const ListenAddress& address : server.listen) {
    if (server.control) check("control", *server.control, "listen", address);
    if (server.metrics) check("metrics", *server.metrics, "listen", address);
  }
  if (server.control && server.metrics) check("metrics", *server.metrics, "control", *server.control);
}

// Who may write to it may do to the server what its owner may, so it is for that owner unless the config says more.
void ConfigReader::read_control(const TomlEntry& entry, ServerConfig& into) const {
  constexpr mode_t owner_alone = 0600;
  into.control = listen_address(entry.key, entry.node);
  if (!into.control) return;
  if (into.control->kind != ListenAddress::Kind::unix_socket)
    fail(entry.node.place, entry.key, R"(is for unix sockets; write "unix:/run/ashlar/control.sock")");
  if (into.control->path.empty())
    fail(entry.node.place, entry.key,
         R"(an abstract socket is open to everybody; write "unix:/run/ashlar/control.sock")");
  if (!into.control->mode) into.control->mode = owner_alone;
}

void ConfigReader::read_metrics(const TomlEntry& entry, ServerConfig& into) const {
  into.metrics = listen_address(entry.key, entry.node);
  if (into.metrics && into.metrics->kind == ListenAddress::Kind::handed)
    fail(entry.node.place, entry.key, R"(takes no socket that is handed over; write "tcp:127.0.0.1:9809")");
}

ListenAddress ConfigReader::listen_text(const std::string& key, const TomlNode& node) const {
  if (!std::holds_alternative<std::string>(node.value))
    wrong_type(key, node, "a string or a table",
               R"(write "unix:/run/a.sock" or { unix = "/run/a.sock", mode = "0660" })");
  return value_of(node.place, key, [&] { return parse_listen_address(string(key, node, ""), folder_); });
}

std::optional<ListenAddress> ConfigReader::listen_table(const std::string& key, const TomlTable& table,
                                                        Place place) const {
  ListenTable read;
  const std::size_t before = mistakes_.size();
  read_table(table, listen_keys(), "an address", read);
  if (mistakes_.size() != before) return std::nullopt;
  if (read.address_key == nullptr)
    fail(place, key, R"(names no address; add unix = "/run/a.sock" or tcp = "127.0.0.1:10809")");
  if (read.file_key != nullptr && read.address.path.empty())
    fail(read.file_key->place, read.file_key->key, "is for unix sockets that are files; take it out");
  return read.address;
}

void ConfigReader::read_listen_address(const TomlEntry& entry, ListenTable& into) const {
  const std::string kind = entry.key + ":";
  if (into.address_key != nullptr)
    fail(entry.place, entry.key,
         "given beside " + in_quotes(into.address_key->key) + "; make it an address of its own");
  into.address_key = &entry;
  const std::string& text = string(entry.key, entry.node, "write what stands behind " + kind + " in the short form");
  if (text.starts_with(kind)) fail(entry.node.place, entry.key, "begins with " + kind + " again; leave that out");
  auto parsed = value_of(entry.node.place, entry.key, [&] { return parse_listen_address(kind + text, folder_); });
  parsed.mode = into.address.mode;
  parsed.owner = into.address.owner;
  parsed.group = into.address.group;
  into.address = std::move(parsed);
}

void ConfigReader::read_mode(const TomlEntry& entry, ListenTable& into) const {
  into.file_key = &entry;
  into.address.mode = value_of(entry.node.place, entry.key, [&] {
    return parse_mode(string(entry.key, entry.node, R"(write its octal digits in quotes: "0660")"));
  });
}

std::string ConfigReader::account(const TomlEntry& entry) const {
  if (const auto* number = std::get_if<std::int64_t>(&entry.node.value)) return std::to_string(*number);
  return string(entry.key, entry.node, "write a name in quotes, or a number");
}

uid_t ConfigReader::user(const TomlEntry& entry) const {
  return value_of(entry.node.place, entry.key, [&] { return user_number(account(entry)); });
}

gid_t ConfigReader::group(const TomlEntry& entry) const {
  return value_of(entry.node.place, entry.key, [&] { return group_number(account(entry)); });
}

void ConfigReader::read_owner(const TomlEntry& entry, ListenTable& into) const {
  into.file_key = &entry;
  into.address.owner = user(entry);
}

void ConfigReader::read_group(const TomlEntry& entry, ListenTable& into) const {
  into.file_key = &entry;
  into.address.group = group(entry);
}

}  // namespace ashlar::host
