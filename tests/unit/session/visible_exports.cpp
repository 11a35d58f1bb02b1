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

  // Why the client of `visible` may not open the export `name`; empty: there is none of this name, or it may.
  std::string refusal(const VisibleExports& visible, std::string_view name) const {
    const auto refused = visible.refused(name, ServedExports(exports));
    return refused != nullptr ? visible.refusal(*refused) : "";
  }

  void add(const std::string& name, std::optional<std::vector<AccessRule>> rules, bool requires_tls = false) {
    FakeExport::Settings settings;
    settings.requires_tls = requires_tls;
    settings.name = name;
    if (rules) settings.allow = AccessRules{.rules = *rules, .of_server = false, .line = 2};
    settings.at = name.find('*') != std::string::npos ? "*" : "";
    made.push_back(std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin}, settings));
    exports->push_back(made.back()->shared());
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
  CHECK(served.refusal(visible, "refused") == "refused export \"refused\": no rule of allow in line 2 fits");
  CHECK(served.refusal(visible, "nobody") == "refused export \"nobody\": allow in line 2 is empty");
  CHECK(served.refusal(visible, "") == "refused export \"refused\": no rule of allow in line 2 fits");
  CHECK(served.refusal(visible, "absent").empty());
}

TEST_CASE("visible exports: who may open what is asked of the rules that are served now") {
  Served before, now;
  before.add("freed", std::vector{rule_for(1)});
  before.add("closed", std::nullopt);
  now.add("freed", std::nullopt);
  now.add("closed", std::vector{rule_for(2)});
  VisibleExports visible(before.exports, by_unix());
  const ServedExports served(now.exports);
  CHECK(visible.other("freed", served) == 1u);
  CHECK(now.refusal(visible, "freed").empty());
  CHECK_FALSE(visible.renew(0, served));
  CHECK(now.refusal(visible, "closed") == "refused export \"closed\": no rule of allow in line 2 fits");
}

TEST_CASE("visible exports: one of a template is found by its name, once, behind those of the config") {
  Served served;
  served.add("images/a", std::nullopt);
  served.add("images/*", std::nullopt);
  VisibleExports visible(served.exports, by_unix());
  const ServedExports now(served.exports);
  CHECK(visible.size() == 2);
  CHECK(visible.other("images/b", now) == 2u);
  CHECK(visible.other("images/c", now) == 3u);
  CHECK(visible.other("images/b", now) == 2u);
  CHECK(visible.exported(2).name() == "images/b");
  CHECK_FALSE(visible.other("images/..", now));
  CHECK(visible.size() == 2);
}

TEST_CASE("visible exports: a client that asks for many names holds the last ones alone") {
  Served served;
  served.add("images/*", std::nullopt);
  VisibleExports visible(served.exports, by_unix());
  const ServedExports now(served.exports);
  const auto first = visible.other("images/0", now);
  const std::weak_ptr<Export> held = visible.shared(*first);
  std::optional<std::size_t> last;
  for (std::size_t i = 1; i <= VisibleExports::most_others; ++i)
    last = visible.other("images/" + std::to_string(i), now);
  CHECK(last == *first + VisibleExports::most_others);
  CHECK(visible.exported(*last).name() == "images/" + std::to_string(VisibleExports::most_others));
  CHECK(held.use_count() == 1);  // the template's
  const auto again = visible.other("images/0", now);
  CHECK(again == *last + 1);
  CHECK(visible.other("images/0", now) == again);
}

TEST_CASE("visible exports: a plain name goes before a template, also for who may not open it") {
  Served served;
  served.add("images/*", std::nullopt);
  served.add("images/secret", std::vector{rule_for(1)});
  VisibleExports visible(served.exports, by_unix());
  const ServedExports now(served.exports);
  CHECK_FALSE(visible.other("images/secret", now));
  CHECK_THAT(served.refusal(visible, "images/secret"), StartsWith("refused export \"images/secret\""));
}

TEST_CASE("visible exports: the first template that a name fits decides, whoever may open it") {
  Served served;
  served.add("images/secret-*", std::vector{rule_for(1)});
  served.add("images/*", std::vector{rule_for(107, true)});
  VisibleExports visible(served.exports, by_unix());
  const ServedExports now(served.exports);
  CHECK_FALSE(visible.other("images/secret-a", now));
  CHECK_THAT(served.refusal(visible, "images/secret-a"), StartsWith("refused export \"images/secret-*\""));
  const auto index = visible.other("images/a", now);
  REQUIRE(index);
  CHECK(visible.read_only(*index));
}

TEST_CASE("visible exports: one of a template that requires TLS is there only by TLS") {
  Served served;
  served.add("images/*", std::nullopt, true);
  const ServedExports now(served.exports);
  Peer peer = by_unix();
  CHECK_FALSE(VisibleExports(served.exports, peer).other("images/a", now));
  peer.tls.emplace();
  CHECK(VisibleExports(served.exports, peer).other("images/a", now));
}

TEST_CASE("visible exports: one of a template that is served no longer is renewed from the one that takes its place") {
  Served served;
  served.add("images/*", std::nullopt);
  VisibleExports visible(served.exports, by_unix());
  ServedExports now(served.exports);
  const auto index = visible.other("images/a", now);
  REQUIRE(index);
  const auto before = visible.shared(*index);
  const auto next = std::make_shared<Exports>();
  next->push_back(served.made.back()->after([](ExportConfig& own) { own.zero_emulation = true; }));
  served.exports->front()->retire(false);
  now.exchange(next);
  CHECK(before->retired());
  CHECK(visible.renew(*index, now));
  CHECK_FALSE(visible.exported(*index).retired());
  CHECK(visible.other("images/b", now) == 2u);
}

}  // namespace ashlar::host
