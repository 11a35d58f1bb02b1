#include "session/visible_exports.hpp"

#include <utility>

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

VisibleExports::VisibleExports(std::shared_ptr<const Exports> all, const Peer& peer)
    : held_{std::move(all)}, client_(identity_of(peer)), by_tls_(peer.tls.has_value()) {
  for (const auto& exported : *held_.front())
    if (const auto visible = seen(exported)) visible_.push_back(*visible);
}

std::optional<VisibleExports::Visible> VisibleExports::seen(const std::shared_ptr<Export>& exported) const {
  const Decision decision = decide(exported->allow(), client_);
  const bool waits_for_tls = exported->requires_tls() && !by_tls_;
  if (decision.access == Access::refused && !waits_for_tls) return std::nullopt;
  return Visible{&exported, decision};
}

bool VisibleExports::renew(std::size_t index, std::shared_ptr<const Exports> all) {
  for (const auto& exported : *all) {
    if (exported->name() != this->exported(index).name()) continue;
    const auto visible = seen(exported);
    if (!visible || (exported->requires_tls() && !by_tls_)) return false;
    held_.push_back(std::move(all));
    visible_[index] = *visible;
    return true;
  }
  return false;
}

std::string VisibleExports::described(std::size_t index) const {
  const Export& exported = this->exported(index);
  const Decision& decision = visible_[index].decision;
  std::string text = "export " + in_quotes(exported.name());
  if (decision.rule == nullptr) return text;
  if (decision.access == Access::read_only) text += " for reading";
  return text + " by " + reason(exported.allow(), decision);
}

Export* VisibleExports::refused(std::string_view name) const {
  for (const auto& exported : *held_.front()) {
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
