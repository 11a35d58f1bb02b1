#include "server/status.hpp"

#include <ctime>
#include <map>
#include <set>
#include <span>
#include <string_view>

#include "chain/template.hpp"
#include "cli/json.hpp"

namespace ashlar::host {
namespace {

struct Connected {
  const Peer* peer;
  std::uint64_t memory;  // bytes
};
using ByNumber = std::map<std::uint64_t, Connected>;

// (RFC 3339)
std::string utc(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

json::object ops_of(const Summary& sum) {
  json::object ops;
  for (std::size_t op = 0; op < counted_ops; ++op) ops[counted_op_name(op)] = sum.ops[op].requests;
  return ops;
}

// What a client and an export have in common.
void add_sums(json::object& out, const Summary& sum) {
  out["ops"] = ops_of(sum);
  out["bytes"] = sum.bytes();
  out["errors"] = sum.errors();
  out["in_flight"] = sum.in_flight();
}

json::object client(const Account& account, const ByNumber& connected) {
  json::object out{{"id", account.connection()}};
  const auto found = connected.find(account.connection());
  if (found != connected.end()) {
    const Peer& peer = *found->second.peer;
    if (peer.transport == Peer::Transport::tcp) {
      out["address"] = endpoint_text(peer);
    } else {
      out["uid"] = peer.uid;
      out["pid"] = peer.pid;
    }
  }
  if (!account.identity().empty()) out["tls"] = json_text(account.identity());
  out["since"] = utc(account.since());
  out["read_only"] = account.read_only();
  out["size"] = account.size();
  add_sums(out, account.summary());
  out["memory"] = found != connected.end() ? found->second.memory : 0;
  return out;
}

json::object export_status(const RemovedExport& facts, json::array chain, const ByNumber& connected) {
  json::array clients;
  facts.accounts->for_each([&](const Account& one) { clients.push_back(client(one, connected)); });
  json::object out{{"name", json_text(facts.name)},
                   {"description", json_text(facts.description)},
                   {"read_only", facts.read_only},
                   {"chain", std::move(chain)},
                   {"clients", std::move(clients)}};
  add_sums(out, facts.accounts->summary());
  out["connections"] = facts.accounts->connections_so_far();
  return out;
}

json::object export_status(const Export& exported, const ByNumber& connected) {
  json::array chain;
  const Template* const of = exported.as_template();
  for (const auto& layer : of != nullptr ? std::span(of->layers()) : exported.layers()) chain.push_back(layer->type());
  json::object out = export_status({exported.name(), exported.description(), exported.read_only(), exported.accounts()},
                                   std::move(chain), connected);
  if (const auto size = exported.size()) out["size"] = *size;
  if (of != nullptr) out["is_template"] = true;
  if (!exported.of_template().empty()) out["template"] = json_text(exported.of_template());
  return out;
}

// With those that it stands for, if it is a template, and that have clients.
void add_export(json::array& to, Export& exported, const std::set<std::string_view>& names, const ByNumber& connected) {
  to.push_back(export_status(exported, connected));
  if (exported.as_template() == nullptr) return;
  exported.each([&](const Export& one) {
    if (one.accounts()->connections() != 0 && !names.contains(one.name())) to.push_back(export_status(one, connected));
  });
}

}  // namespace

json::object status_of(const Exports& exports, const std::vector<RemovedExport>& removed,
                       const Connections& connections, std::chrono::steady_clock::time_point started) {
  ByNumber connected;
  connections.for_each([&](const Peer& peer, std::uint64_t memory) { connected[peer.number] = {&peer, memory}; });
  json::array all;
  std::set<std::string_view> names;
  for (const auto& one : exports) names.insert(one->name());
  for (const auto& one : exports) add_export(all, *one, names, connected);
  for (const RemovedExport& one : removed) {
    json::object told = export_status(one, {}, connected);
    told["removed"] = true;
    all.push_back(std::move(told));
  }
  const auto uptime = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
  return {{"version", ASHLAR_VERSION},
          {"uptime", static_cast<double>(uptime.count()) / 1000},
          {"draining", connections.draining()},
          {"connections", connections.size()},
          {"turned_away", connections.turned_away()},
          {"exports", std::move(all)}};
}

}  // namespace ashlar::host
