#include "server/differences.hpp"

#include <algorithm>
#include <unordered_map>

#include "cli/json.hpp"
#include "config/same.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

bool same(const TlsConfig& a, const TlsConfig& b) {
  return a.mode == b.mode && a.certificates == b.certificates && a.psk == b.psk && a.verify_client == b.verify_client &&
         a.minimum_version == b.minimum_version && a.ciphers == b.ciphers;
}

bool same(const SandboxConfig& a, const SandboxConfig& b) {
  return a.mode == b.mode && a.connect == b.connect && a.read == b.read && a.write == b.write;
}

// What the config says of TLS, and the files that it names.
bool same_tls(const Setup& a, const Setup& b) {
  const auto files_of = [](const Setup& one) { return one.tls != nullptr ? one.tls->state_of_files() : std::string(); };
  return same(a.config->server.tls, b.config->server.tls) && files_of(a) == files_of(b);
}

void compare(const ServerConfig& a, const ServerConfig& b, Differences& out) {
  const auto add = [&](const char* key, bool is_same) {
    if (!is_same) out.server.emplace_back(key);
  };
  add("log_level", a.log_level == b.log_level);
  add("module_path", a.module_path == b.module_path);
  add("max_connections", a.max_connections == b.max_connections);
  add("handshake_timeout", a.handshake_timeout == b.handshake_timeout);
  add("max_payload", a.max_payload == b.max_payload);
  add("max_memory", a.max_memory == b.max_memory);
  add("workers", a.workers == b.workers);
  add("busy_poll", a.busy_poll == b.busy_poll);
  add("keepalive", a.keepalive == b.keepalive);
}

void compare_with_start(const ServerConfig& started_with, const ServerConfig& now, Differences& out) {
  const auto add = [&](const char* key, bool is_same) {
    if (!is_same) out.after_restart.emplace_back(key);
  };
  add("log_format", started_with.log_format == now.log_format);
  add("user", started_with.user == now.user);
  add("group", started_with.group == now.group);
  add("sandbox", same(started_with.sandbox, now.sandbox));
}

// The files of sockets are made with their rights.
void compare(const Doors& before, const Doors& now, const char* key, Differences& out) {
  for (const Door& door : doors_without(now, before))
    for (const auto& listener : door.listeners) out.opened.push_back(listener->address());
  for (const Door& door : doors_without(before, now))
    for (const auto& listener : door.listeners) out.closed.push_back(listener->address());
  for (const Door& door : now)
    for (const Door& other : before)
      if (other.listeners == door.listeners && !same_rights(other.made_for, door.address))
        out.after_restart.emplace_back(key);
}

void compare(const Exports& before, const Exports& now, Differences& out) {
  std::unordered_map<std::string, const Export*> known;
  for (const auto& one : before) known.emplace(one->name(), one.get());
  for (const auto& one : now) {
    const auto found = known.find(one->name());
    if (found == known.end()) {
      out.added.push_back(one->name());
      continue;
    }
    if (same_export(found->second->config(), one->config())) ++out.untouched;
    else out.changed.push_back(one->name());
    if (!same_layers(found->second->config(), one->config())) out.new_layers.push_back(one->name());
    known.erase(found);
  }
  for (const auto& one : before)
    if (known.contains(one->name())) out.removed.push_back(one->name());
}

json::array texts(const std::vector<std::string>& all) {
  json::array out;
  for (const std::string& one : all) out.push_back(json_text(one));
  return out;
}

}  // namespace

Differences differences(const Setup& before, const Setup& now, const Config& started_with) {
  Differences out;
  compare(*before.exports, *now.exports, out);
  compare(before.config->server, now.config->server, out);
  if (!same_tls(before, now)) out.server.emplace_back("tls");
  compare_with_start(started_with.server, now.config->server, out);
  compare(before.listen, now.listen, "listen", out);
  compare(before.control, now.control, "control", out);
  compare(before.metrics, now.metrics, "metrics", out);
  return out;
}

json::object to_json(const Differences& what) {
  return {{"added", texts(what.added)},
          {"changed", texts(what.changed)},
          {"new_layers", texts(what.new_layers)},
          {"removed", texts(what.removed)},
          {"untouched", what.untouched},
          {"server", texts(what.server)},
          {"listening", texts(what.opened)},
          {"closed", texts(what.closed)},
          {"after_restart", texts(what.after_restart)}};
}

std::vector<std::string> lines_of(const json::object& answer) {
  std::vector<std::string> lines;
  const json::value* const new_layers = answer.if_contains("new_layers");  // not in the answer of an older server
  const auto is_new = [&](const json::value& name) {
    return new_layers != nullptr && std::ranges::find(new_layers->as_array(), name) != new_layers->as_array().end();
  };
  const auto add = [&](const char* key, const char* before, bool quoted) {
    for (const json::value& one : answer.at(key).as_array()) {
      const std::string text(one.as_string());
      lines.push_back(before + (quoted ? in_quotes(text) : one_line(text)) +
                      (key == std::string_view("changed") && is_new(one) ? ": its layers are new" : ""));
    }
  };
  add("added", "added: export ", true);
  add("changed", "changed: export ", true);
  add("removed", "removed: export ", true);
  add("server", "changed: [server] ", false);
  add("listening", "listening on ", false);
  add("closed", "no longer listening on ", false);
  add("after_restart", "changed by a restart only: [server] ", false);
  if (lines.empty()) lines.emplace_back("nothing has changed");
  return lines;
}

}  // namespace ashlar::host
