// What a client may do with an export: the first rule that fits decides.
#include "access/access.hpp"

#include "catch.hpp"

using namespace ashlar::host;

namespace {

Identity by_tcp(const std::string& address) {
  Identity client;
  client.address = parse_ip_address(address);
  return client;
}

Identity by_unix(uid_t uid, std::vector<gid_t> groups = {}) {
  Identity client;
  client.uid = uid;
  client.groups = std::move(groups);
  return client;
}

AccessRules rules_of(std::vector<AccessRule> rules) {
  return {.rules = std::move(rules), .of_server = false, .line = 6};
}

bool fits(const AccessRule& rule, const Identity& client) {
  const AccessRules rules = rules_of({rule});
  return decide(&rules, client).rule == rules.rules.data();
}

}  // namespace

TEST_CASE("access: without rules everybody may do everything, with an empty list nobody anything") {
  CHECK(decide(nullptr, by_tcp("10.0.0.7")).access == Access::read_write);
  const AccessRules nobody = rules_of({});
  CHECK(decide(&nobody, by_tcp("10.0.0.7")).access == Access::refused);
  CHECK(decide(&nobody, by_unix(0)).access == Access::refused);
}

TEST_CASE("access: each key fits who is so, and nobody of whom it is not known") {
  AccessRule psk, dn, uid, user, group, address;
  psk.psk = "alice";
  dn.dn = "CN=host1,*";
  uid.uid = 0;
  user.user = 107;
  group.group = 36;
  address.address = parse_network("10.0.0.0/8");
  Identity alice, host1, nobody;
  alice.psk = "alice";
  host1.dn = "CN=host1,O=Example";
  const struct {
    const AccessRule& rule;
    Identity client;
  } fitting[] = {{psk, alice},
                 {dn, host1},
                 {uid, by_unix(0)},
                 {user, by_unix(107)},
                 {group, by_unix(5, {100, 36})},
                 {address, by_tcp("10.1.2.3")}};
  for (const auto& [rule, client] : fitting) {
    CHECK(fits(rule, client));
    CHECK_FALSE(fits(rule, nobody));
    for (const auto& other : fitting) CHECK((&other.rule == &rule) == fits(rule, other.client));
  }
  CHECK_FALSE(fits(address, by_tcp("11.1.2.3")));
  CHECK_FALSE(fits(group, by_unix(36, {100})));
  alice.psk = "alice2";
  CHECK_FALSE(fits(psk, alice));
  host1.dn = "CN=host10,O=Example";
  CHECK_FALSE(fits(dn, host1));
}

TEST_CASE("access: a star of a dn's pattern stands for any characters, wherever it is, and letters for themselves") {
  AccessRule rule;
  Identity client;
  client.dn = "CN=host1,O=ashlar";
  for (const char* pattern : {"*host1*", "*ashlar", "CN=host1,*lar", "CN=host?,*shlar", "*1,O=*"}) {
    rule.dn = pattern;
    CHECK(fits(rule, client));
  }
  for (const char* pattern : {"*HOST1*", "*Ashlar", "CN=host1", "*host1"}) {
    rule.dn = pattern;
    CHECK_FALSE(fits(rule, client));
  }
}

TEST_CASE("access: a name that nobody has shown fits no rule, not even an empty one or a star") {
  AccessRule psk, dn;
  psk.psk = "";
  dn.dn = "*";
  CHECK_FALSE(fits(psk, Identity()));
  CHECK_FALSE(fits(dn, Identity()));
}

TEST_CASE("access: of several keys in a rule all have to fit") {
  AccessRule rule;
  rule.uid = 107;
  rule.group = 36;
  CHECK(fits(rule, by_unix(107, {36})));
  CHECK_FALSE(fits(rule, by_unix(107, {35})));
  CHECK_FALSE(fits(rule, by_unix(106, {36})));
  rule.user = 108;
  CHECK_FALSE(fits(rule, by_unix(107, {36})));
}

TEST_CASE("access: the first rule that fits decides, and whether reading is all") {
  AccessRule reader, writer, all;
  reader.address = parse_network("10.0.0.7");
  reader.read_only = true;
  writer.address = parse_network("10.0.0.0/8");
  all.read_only = true;
  const AccessRules rules = rules_of({reader, writer, all});
  const auto decided = [&](const Identity& client) { return decide(&rules, client); };
  CHECK(decided(by_tcp("10.0.0.7")).access == Access::read_only);
  CHECK(decided(by_tcp("10.0.0.7")).rule == &rules.rules[0]);
  CHECK(decided(by_tcp("10.0.0.8")).access == Access::read_write);
  CHECK(decided(by_tcp("10.0.0.8")).rule == &rules.rules[1]);
  CHECK(decided(by_unix(3)).access == Access::read_only);
  CHECK(decided(by_unix(3)).rule == &rules.rules[2]);
}

TEST_CASE("access: the reason names the rule, or the list of which none fits") {
  AccessRule rule;
  rule.uid = 0;
  rule.text = "{ uid = 0 }";
  rule.line = 7;
  AccessRules rules = rules_of({rule});
  CHECK(reason(nullptr, decide(nullptr, by_unix(0))) == "there is no allow");
  CHECK(reason(&rules, decide(&rules, by_unix(0))) == "{ uid = 0 } in line 7");
  CHECK(reason(&rules, decide(&rules, by_unix(1))) == "no rule of allow in line 6 fits");
  rules.file = "conf.d/a.toml";
  CHECK(reason(&rules, decide(&rules, by_unix(0))) == "{ uid = 0 } in line 7 of conf.d/a.toml");
  CHECK(reason(&rules, decide(&rules, by_unix(1))) == "no rule of allow in line 6 of conf.d/a.toml fits");
  rules.file.clear();
  rules.of_server = true;
  CHECK(reason(&rules, decide(&rules, by_unix(1))) == "no rule of [server] allow in line 6 fits");
  rules.rules.clear();
  CHECK(reason(&rules, decide(&rules, by_unix(1))) == "[server] allow in line 6 is empty");
}

TEST_CASE("access: its names are those of `ashlar check`") {
  CHECK(std::string(access_name(Access::read_write)) == "read-write");
  CHECK(std::string(access_name(Access::read_only)) == "read-only");
  CHECK(std::string(access_name(Access::refused)) == "refused");
}
