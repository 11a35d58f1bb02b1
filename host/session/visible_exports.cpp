#include "session/visible_exports.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "chain/template.hpp"
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

namespace {

// The export of this name; else the first template that it fits, whether that is for the client or not: who may not
// open an export does not get by another name's rules what it is made of. Null: there is neither.
const std::shared_ptr<Export>* find_served(const Exports& all, std::string_view name) {
  const std::shared_ptr<Export>* fits = nullptr;
  for (const auto& one : all) {
    if (const Template* const of = one->as_template()) {
      if (fits == nullptr && of->fits(name)) fits = &one;
    } else if (one->name() == name) {
      return &one;
    }
  }
  return fits;
}

}  // namespace

VisibleExports::VisibleExports(std::shared_ptr<const Exports> all, const Peer& peer)
    : all_(std::move(all)), client_(identity_of(peer)), by_tls_(peer.tls.has_value()), visible_(seen_of(*all_)) {}

std::vector<VisibleExports::Visible> VisibleExports::seen_of(const Exports& all) const {
  std::vector<Visible> out;
  for (const auto& exported : all)
    if (const auto visible = seen(exported)) out.push_back(*visible);
  return out;
}

std::optional<VisibleExports::Visible> VisibleExports::seen(const std::shared_ptr<Export>& exported) const {
  const Decision decision = decide(exported->allow(), client_);
  const bool waits_for_tls = exported->requires_tls() && !by_tls_;
  if (decision.access == Access::refused && !waits_for_tls) return std::nullopt;
  return Visible{&exported, decision};
}

// Null: there is none that the client may open.
std::shared_ptr<Export> VisibleExports::served_now(const std::string& name, const ServedExports& served) const {
  for (;;) {
    const auto all = served.get();
    const std::shared_ptr<Export>* const found = find_served(*all, name);
    if (found == nullptr || !seen(*found) || ((*found)->requires_tls() && !by_tls_)) return nullptr;
    Template* const of = (*found)->as_template();
    if (of == nullptr) return *found;
    if (auto made = of->make(name)) return made;
    if (!(*found)->retired()) return nullptr;
  }
}

const VisibleExports::Visible& VisibleExports::at(std::size_t index) const {
  return index < visible_.size() ? visible_[index] : others_[index - visible_.size() - n_forgotten_].visible;
}

// A client may ask for any number of names, and only the last ones matter to it.
std::optional<std::size_t> VisibleExports::other(const std::string& name, const ServedExports& served) {
  const std::size_t first = visible_.size() + n_forgotten_;
  for (std::size_t i = 0; i < others_.size(); ++i)
    if (others_[i].exported->name() == name) return first + i;
  auto now = served_now(name, served);
  if (now == nullptr) return std::nullopt;
  Other& found = others_.emplace_back(Other{std::move(now), {}});
  found.visible = *seen(found.exported);
  if (others_.size() > most_others) {
    others_.pop_front();
    ++n_forgotten_;
  }
  return visible_.size() + n_forgotten_ + others_.size() - 1;
}

bool VisibleExports::renew(std::size_t index, const ServedExports& served) {
  auto now = served_now(exported(index).name(), served);
  if (now == nullptr) return false;
  if (index < visible_.size()) {
    visible_[index] = *seen(renewed_.emplace_back(std::move(now)));
  } else {
    Other& other = others_[index - visible_.size() - n_forgotten_];
    other.exported = std::move(now);
    other.visible = *seen(other.exported);
  }
  return true;
}

ListedExports VisibleExports::listed(std::size_t index, std::size_t most, std::size_t most_bytes) const {
  const Export* const exported = at(index).exported->get();
  ListedExports listed = exported->as_template()->list(most, most_bytes);
  std::unordered_set<std::string_view> names;
  std::vector<const Template*> before;
  bool is_before = true;
  for (const auto& one : *all_) {
    is_before = is_before && one.get() != exported;
    if (one->as_template() == nullptr) names.insert(one->name());
    else if (is_before) before.push_back(one->as_template());
  }
  std::erase_if(listed.exports, [&](const ListedExport& one) {
    return names.contains(one.name) ||
           std::any_of(before.begin(), before.end(), [&](const Template* of) { return of->fits(one.name); });
  });
  return listed;
}

std::string VisibleExports::described(std::size_t index) const {
  const Export& exported = this->exported(index);
  const Decision& decision = at(index).decision;
  std::string text = "export " + in_quotes(exported.name());
  if (decision.rule == nullptr) return text;
  if (decision.access == Access::read_only) text += " for reading";
  return text + " by " + reason(exported.allow(), decision);
}

// The empty name is asked for in vain only when no export may be opened at all.
std::shared_ptr<Export> VisibleExports::refused(std::string_view name, const ServedExports& served) const {
  const auto all = served.get();
  const auto is_refused = [&](const auto& one) {
    const bool waits_for_tls = one->requires_tls() && !by_tls_;
    return !waits_for_tls && decide(one->allow(), client_).access == Access::refused;
  };
  if (name.empty()) {
    const auto first = std::find_if(all->begin(), all->end(), is_refused);
    return first != all->end() ? *first : nullptr;
  }
  const std::shared_ptr<Export>* const found = find_served(*all, name);
  return found != nullptr && is_refused(*found) ? *found : nullptr;
}

std::string VisibleExports::refusal(const Export& refused) const {
  return "refused export " + in_quotes(refused.name()) + ": " +
         reason(refused.allow(), decide(refused.allow(), client_));
}

}  // namespace ashlar::host
