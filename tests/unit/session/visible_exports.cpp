// The exports that a client may open, by who it is.
#include "session/visible_exports.hpp"

#include "../fake_export.hpp"
#include "../matchers.hpp"

namespace ashlar::host {
namespace {

Peer by_unix() {
  Peer peer;
  peer.uid = 107;
  peer.gid = 36;
  peer.pid = 4711;
  peer.groups = {5, 6};
  return peer;
}

Peer by_tcp() {
  Peer peer;
  peer.transport = Peer::Transport::tcp;
  peer.address = "192.0.2.1";
  peer.port = 4711;
  return peer;
}

AccessRule rule_for(uid_t uid, bool read_only = false) {
  AccessRule rule;
  rule.uid = uid;
  rule.read_only = read_only;
  rule.text = "{ uid = " + std::to_string(uid) + " }";
  rule.line = 3;
  return rule;
}

// Exports with these rules; those without are open to everybody.
struct Served {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  std::vector<std::unique_ptr<FakeExport>> made;
  std::shared_ptr<Exports> exports = std::make_shared<Exports>();

  void add(const std::string& name, std::optional<std::vector<AccessRule>> rules, bool requires_tls = false) {
    FakeExport::Settings settings;
    settings.requires_tls = requires_tls;
    settings.name = name;
    if (rules) settings.allow = AccessRules{.rules = *rules, .of_server = false, .line = 2};
    made.push_back(std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin}, settings));
    exports->push_back(made.back()->release());
  }
};

}  // namespace

TEST_CASE("identity: what rules can ask for, of a unix socket's client and of one by tcp") {
  const Identity unix = identity_of(by_unix());
  CHECK(unix.uid == 107u);
  CHECK(unix.groups == std::vector<gid_t>{5, 6, 36});
  CHECK_FALSE(unix.address);
  const Identity tcp = identity_of(by_tcp());
  CHECK(tcp.address == parse_ip_address("192.0.2.1"));
  CHECK_FALSE(tcp.uid);
  CHECK(tcp.groups.empty());
  CHECK((tcp.dn.empty() && tcp.psk.empty()));
  Peer unknown;
  CHECK_FALSE(identity_of(unknown).uid);
  CHECK(identity_of(unknown).groups.empty());
}

TEST_CASE("identity: by TLS, the name of the certificate or of the key") {
  Peer peer = by_tcp();
  peer.tls = TlsIdentity{.name = "CN=host1,O=Stones", .psk = "alice"};
  CHECK(identity_of(peer).dn == "CN=host1,O=Stones");
  CHECK(identity_of(peer).psk == "alice");
}

TEST_CASE("who a client is does not depend on the connection") {
  CHECK(who(by_unix()) == "unix:uid=107");
  Peer peer = by_tcp();
  CHECK(who(peer) == "tcp:192.0.2.1");
  peer.tls.emplace();
  CHECK(who(peer) == "tcp:192.0.2.1");
  peer.tls->name = "CN=host1";
  CHECK(who(peer) == "tcp:192.0.2.1 (CN=host1)");
  peer.tls = TlsIdentity{.name = "", .psk = "alice"};
  CHECK(who(peer) == "tcp:192.0.2.1 (psk alice)");
}

TEST_CASE("visible exports: those that the client may open, in their order, and how") {
  Served served;
  served.add("refused", std::vector{rule_for(1)});
  served.add("read", std::vector{rule_for(107, true)});
  served.add("nobody", std::vector<AccessRule>{});
  served.add("written", std::vector{rule_for(1), rule_for(107)});
  served.add("open", std::nullopt);
  const VisibleExports visible(served.exports, by_unix());
  REQUIRE(visible.size() == 3);
  CHECK(visible.exported(0).name() == "read");
  CHECK(visible.exported(1).name() == "written");
  CHECK(visible.exported(2).name() == "open");
  CHECK(visible.read_only(0));
  CHECK_FALSE(visible.read_only(1));
  CHECK_FALSE(visible.read_only(2));
  CHECK(visible.described(0) == "export \"read\" for reading by { uid = 107 } in line 3");
  CHECK(visible.described(1) == "export \"written\" by { uid = 107 } in line 3");
  CHECK(visible.described(2) == "export \"open\"");
}

TEST_CASE("visible exports: one that requires TLS is left to the protocol to hide, until TLS tells who the client is") {
  Served served;
  served.add("sealed", std::vector<AccessRule>{}, true);
  Peer peer = by_unix();
  REQUIRE(VisibleExports(served.exports, peer).size() == 1);
  CHECK(VisibleExports(served.exports, peer).exported(0).requires_tls());
  peer.tls.emplace();
  CHECK(VisibleExports(served.exports, peer).size() == 0);
}

TEST_CASE("visible exports: why others are refused is known for the log") {
  Served served;
  served.add("refused", std::vector{rule_for(1)});
  served.add("nobody", std::vector<AccessRule>{});
  const VisibleExports visible(served.exports, by_unix());
  CHECK(visible.size() == 0);
  CHECK(visible.refusal("refused") == "refused export \"refused\": no rule of allow in line 2 fits");
  CHECK(visible.refusal("nobody") == "refused export \"nobody\": allow in line 2 is empty");
  CHECK(visible.refusal("") == "refused export \"refused\": no rule of allow in line 2 fits");
  CHECK(visible.refusal("absent").empty());
}

}  // namespace ashlar::host
