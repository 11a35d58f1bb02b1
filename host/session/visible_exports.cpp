#include "session/visible_exports.hpp"

#include "config/text.hpp"

namespace ashlar::host {

Identity identity_of(const Peer& peer) {
  Identity client;
  client.address = parse_ip_address(peer.address);
  if (peer.uid >= 0) client.uid = static_cast<uid_t>(peer.uid);
  client.groups = peer.groups;
  if (peer.gid >= 0) client.groups.push_back(static_cast<gid_t>(peer.gid));
  if (!peer.tls) return client;
  client.dn = peer.tls->name;
  client.psk = peer.tls->psk;
  return client;
}

std::string who(const Peer& peer) {
  std::string text =
      peer.transport == Peer::Transport::tcp ? "tcp:" + peer.address : "unix:uid=" + std::to_string(peer.uid);
  if (!peer.tls) return text;
  if (!peer.tls->psk.empty()) text += " (psk " + peer.tls->psk + ")";
  else if (!peer.tls->name.empty()) text += " (" + peer.tls->name + ")";
  return text;
}

VisibleExports::VisibleExports(const Exports& all, const Peer& peer) : all_(all), client_(identity_of(peer)) {
  for (const auto& exported : all) {
    const Decision decision = decide(exported->allow(), client_);
    const bool waits_for_tls = exported->requires_tls() && !peer.tls;
    if (decision.access != Access::refused || waits_for_tls) visible_.push_back({exported.get(), decision});
  }
}

std::string VisibleExports::described(std::size_t index) const {
  const auto& [exported, decision] = visible_[index];
  std::string text = "export " + in_quotes(exported->name());
  if (decision.rule == nullptr) return text;
  if (decision.access == Access::read_only) text += " for reading";
  return text + " by " + reason(exported->allow(), decision);
}

Export* VisibleExports::refused(std::string_view name) const {
  for (const auto& exported : all_) {
    // The empty name is asked for in vain only when no export may be opened at all.
    if (exported->name() != name && !name.empty()) continue;
    if (decide(exported->allow(), client_).access == Access::refused) return exported.get();
  }
  return nullptr;
}

std::string VisibleExports::refusal(std::string_view name) const {
  const Export* const exported = refused(name);
  if (exported == nullptr) return {};
  return "refused export " + in_quotes(exported->name()) + ": " +
         reason(exported->allow(), decide(exported->allow(), client_));
}

void VisibleExports::count_refusal(std::string_view name) const {
  if (const Export* const exported = refused(name)) exported->accounts()->refused();
}

}  // namespace ashlar::host
