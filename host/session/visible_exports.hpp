// VisibleExports: the exports that one client may open. The others do not exist for it; but for those that require TLS,
// which protocol hides until it is spoken: until then it is not known who the client is.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chain/export.hpp"
#include "chain/listed_exports.hpp"
#include "session/served_exports.hpp"
#include "socket/peer.hpp"

namespace ashlar::host {

// What is known of `peer` that rules can ask for.
Identity identity_of(const Peer& peer);

// `peer` without what differs from one connection to the next: "tcp:192.0.2.1", "unix:uid=0"; by TLS, with who it is.
std::string who(const Peer& peer);

// All members: [the session's thread]
class VisibleExports {
 public:
  VisibleExports(std::shared_ptr<const Exports> all, const Peer& peer);

  // Those of the config, in its order; those that other() has found are behind.
  std::size_t size() const { return visible_.size(); }
  Export& exported(std::size_t index) const { return **at(index).exported; }
  std::shared_ptr<Export> shared(std::size_t index) const { return *at(index).exported; }
  // The place of an export that is not of the config as the client has found it: most are what a template stands for.
  // It is valid until `most_others` further ones have been found. None: nothing is `served` by that name that the
  // client may open. May block.
  static constexpr std::size_t most_others = 16;
  std::optional<std::size_t> other(const std::string& name, const ServedExports& served);
  // What clients may be told of the exports that the template `index` stands for, and which no other export goes
  // before: `most` at most, and none if they take more than `most_bytes`, see listed_exports(). Throws OpenError,
  // Stopped. May block.
  ListedExports listed(std::size_t index, std::size_t most, std::size_t most_bytes) const;
  // Has the export that is `served` by the same name take the place of exported(index), which is served no longer.
  // False: there is none that the client may open. May block.
  bool renew(std::size_t index, const ServedExports& served);
  bool read_only(std::size_t index) const { return at(index).decision.access == Access::read_only; }
  // How the log tells that it was opened: `export "disk"`, `export "disk" by { uid = 0 } in line 7`, `export "disk" for
  // reading by …`.
  std::string described(std::size_t index) const;

  // The export that is `served` by this name and that the client may not open. Null: there is none, or it may.
  std::shared_ptr<Export> refused(std::string_view name, const ServedExports& served) const;
  // Why it may not, for the log.
  std::string refusal(const Export& refused) const;

 private:
  struct Visible {
    const std::shared_ptr<Export>* exported = nullptr;  // in all_, in others_ or in renewed_
    Decision decision;
  };
  struct Other {
    std::shared_ptr<Export> exported;
    Visible visible;
  };
  const Visible& at(std::size_t index) const;
  std::optional<Visible> seen(const std::shared_ptr<Export>& exported) const;
  std::vector<Visible> seen_of(const Exports& all) const;
  std::shared_ptr<Export> served_now(const std::string& name, const ServedExports& served) const;

  const std::shared_ptr<const Exports> all_;     // that there were at its making
  std::deque<std::shared_ptr<Export>> renewed_;  // in the places of some of the config
  std::deque<Other> others_;                     // that were found last
  std::size_t n_forgotten_ = 0;                  // that were found before these
  const Identity client_;
  const bool by_tls_;
  std::vector<Visible> visible_;
};

}  // namespace ashlar::host
