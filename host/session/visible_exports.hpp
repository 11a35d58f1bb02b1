// VisibleExports: the exports that one client may open. The others do not exist for it; but for those that require TLS,
// which protocol hides until it is spoken: until then it is not known who the client is.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chain/export.hpp"
#include "socket/peer.hpp"

namespace ashlar::host {

// What is known of `peer` that rules can ask for.
Identity identity_of(const Peer& peer);

// `peer` without what differs from one connection to the next: "tcp:192.0.2.1", "unix:uid=0"; by TLS, with who it is.
std::string who(const Peer& peer);

class VisibleExports {
 public:
  VisibleExports(std::shared_ptr<const Exports> all, const Peer& peer);

  // In the order of the config.
  std::size_t size() const { return visible_.size(); }
  Export& exported(std::size_t index) const { return **visible_[index].exported; }
  std::shared_ptr<Export> shared(std::size_t index) const { return *visible_[index].exported; }
  // Has the export of the same name among `all` take the place of exported(index), which is served no longer. False:
  // there is none that the client may open.
  bool renew(std::size_t index, std::shared_ptr<const Exports> all);
  bool read_only(std::size_t index) const { return visible_[index].decision.access == Access::read_only; }
  // How the log tells that it was opened: `export "disk"`, `export "disk" by { uid = 0 } in line 7`, `export "disk" for
  // reading by …`.
  std::string described(std::size_t index) const;

  // Why the client may not open the export `name`, for the log. Empty: there is none of this name, or it may.
  std::string refusal(std::string_view name) const;
  // Counts such a refusal with the export that it is of.
  void count_refusal(std::string_view name) const;

 private:
  struct Visible {
    const std::shared_ptr<Export>* exported = nullptr;  // in one of held_
    Decision decision;
  };
  std::optional<Visible> seen(const std::shared_ptr<Export>& exported) const;
  // The export `name` if the client may not open it, else null.
  Export* refused(std::string_view name) const;

  std::vector<std::shared_ptr<const Exports>> held_;  // the first: all that there were at its making
  const Identity client_;
  const bool by_tls_;
  std::vector<Visible> visible_;
};

}  // namespace ashlar::host
