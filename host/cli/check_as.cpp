#include "cli/check_as.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <stdexcept>

#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "config/account.hpp"
#include "config/did_you_mean.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

const std::vector<std::string> keys{"psk", "dn", "uid", "user", "group", "address"};

struct Part {
  std::string key, value;
};

[[noreturn]] void refuse(const std::string& what) { throw UsageError("--as: " + what); }

// The key that `text` begins with, and '='; empty: none that is known.
std::string key_of(const std::string& text) {
  const std::string key = text.substr(0, text.find('='));
  return key.size() != text.size() && std::find(keys.begin(), keys.end(), key) != keys.end() ? key : std::string();
}

// "a=1,b=2" taken apart. A distinguished name has commas of its own: it ends where a known key follows.
void take_apart(const std::string& text, std::vector<Part>& into) {
  bool first = true;
  for (std::size_t at = 0; at <= text.size(); first = false) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string piece = text.substr(at, comma - at);
    at = comma + 1;
    if (const std::string key = key_of(piece); !key.empty()) {
      into.push_back({key, piece.substr(key.size() + 1)});
    } else if (!first && into.back().key == "dn") {
      into.back().value += "," + piece;
    } else {
      const std::string word = piece.substr(0, piece.find('='));
      refuse("unknown " + in_quotes(piece) + "; " +
             (word == piece ? "write KEY=VALUE; known: psk, dn, uid, user, group, address" : did_you_mean(word, keys)));
    }
  }
}

uid_t parse_uid(const std::string& text) {
  uid_t uid = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, uid);
  if (error != std::errc{} || rest != end || uid == std::numeric_limits<uid_t>::max())
    refuse("uid=" + text + " is no number of a user; for a name write user=" + text);
  return uid;
}

void add(const Part& part, Identity& into) {
  const auto& [key, value] = part;
  if (value.empty()) refuse(key + "= has no value; write one behind it");
  if (key == "psk") into.psk = value;
  else if (key == "dn") into.dn = value;
  else if (key == "group") into.groups.push_back(group_number(value));
  else if (key == "address") {
    into.address = parse_ip_address(value);
    if (!into.address) refuse("address=" + value + R"( is no address; write one such as 10.0.0.7 or 2001:db8::1)");
  } else {
    into.uid = key == "uid" ? parse_uid(value) : user_number(value);
    const std::vector<gid_t> groups = groups_of_user(*into.uid);
    into.groups.insert(into.groups.end(), groups.begin(), groups.end());
  }
}

// The same mistakes as in a rule of allow.
void check_can_be(const Identity& client) {
  if (client.address && (client.uid || !client.groups.empty()))
    refuse("there is no such client: one by tcp has an address, one at a unix socket a user and groups; ask for each");
  if (!client.psk.empty() && !client.dn.empty())
    refuse("there is no such client: it shows a key or a certificate, psk or dn, not both; ask for each");
}

bool needs_tls(const Export& exported, const TlsConfig& config) {
  return exported.requires_tls() || config.mode == TlsConfig::Mode::require;
}

// Why TLS does not let the client come so far that rules are asked; empty: it does. Whoever speaks TLS shows a key or a
// certificate, unless the server does without.
std::string kept_out_by_tls(const Identity& client, const Export& exported, const TlsConfig& config, Tls* tls) {
  const bool shows_something = !client.psk.empty() || !client.dn.empty();
  if (shows_something && config.mode == TlsConfig::Mode::off)
    return "the server does not speak TLS, so nobody can show it a key or a certificate";
  if (!client.psk.empty() && config.psk.empty()) return "the server has no pre-shared keys";
  if (!client.psk.empty() && tls != nullptr && !tls->knows_user(client.psk))
    return config.psk.string() + " has no key of " + in_quotes(client.psk);
  const bool verifies = !config.certificates.empty() && config.verify_client.value_or(true);
  if (!client.dn.empty() && !verifies) return "the server asks for no certificate of clients";
  if (!needs_tls(exported, config) || shows_something) return {};
  if (!config.certificates.empty() && !verifies) return {};
  return "needs TLS, and so a client that has a key or a certificate: add psk=NAME or dn=NAME";
}

}  // namespace

Identity parse_identity(const std::vector<std::string>& texts) {
  std::vector<Part> parts;
  for (const std::string& text : texts) take_apart(text, parts);
  Identity client;
  std::set<std::string> there;
  for (const Part& part : parts) {
    const std::string what = part.key == "user" ? "uid" : part.key;
    if (what != "group" && !there.insert(what).second)
      refuse(part.key + "=" + part.value + " is one too many; a client has one" +
             (what == "uid" ? " user, so give either uid or user" : ""));
    try {
      add(part, client);
    } catch (const std::invalid_argument& e) {
      refuse(e.what());
    }
  }
  check_can_be(client);
  return client;
}

Seen seen_by(const Identity& client, Export& exported, const TlsConfig& config, Tls* tls) {
  if (const std::string why = kept_out_by_tls(client, exported, config, tls); !why.empty())
    return {exported.name(), Access::refused, why};
  const Decision decision = decide(exported.allow(), client);
  Seen seen{exported.name(), decision.access, reason(exported.allow(), decision)};
  if (needs_tls(exported, config) && decision.access != Access::refused) seen.why += "; by TLS alone";
  if (decision.access != Access::read_write) return seen;
  if (exported.read_only()) {
    seen.access = Access::read_only;
    seen.why += "; the export is read-only";
    return seen;
  }
  if (exported.as_template() != nullptr) {
    seen.why += "; unless its chain cannot be written to, which is seen when a name is opened";
    return seen;
  }
  try {
    if (!exported.open()->geometry().read_only) return seen;
    seen.access = Access::read_only;
    seen.why += "; nothing in its chain can be written to";
  } catch (const OpenError& e) {
    seen.why += "; it cannot be opened now: " + e.complaint();
  }
  return seen;
}

void print_seen(std::ostream& out, const std::vector<Seen>& all) {
  std::vector<std::vector<std::string>> rows;
  for (const Seen& one : all) rows.push_back({in_quotes(one.name), access_name(one.access), one.why});
  print_table(out, "", rows);
}

}  // namespace ashlar::host
