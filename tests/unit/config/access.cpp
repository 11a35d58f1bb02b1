// Who may do what, as the config has it: the rules, and what is wrong with those that are none.
#include <grp.h>
#include <pwd.h>

#include "config/config.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

constexpr const char* plugin = "[export.plugin]\ntype = \"file\"\n";

Config read(const std::string& text) {
  const TempFolder folder;
  return read_config(folder.write("a.toml", text));
}

// An export with `line` as its third.
std::string with(const std::string& line) { return "[[export]]\nname = \"disk\"\n" + line + "\n" + plugin; }

std::string with_rule(const std::string& keys) { return with("allow = [{ " + keys + " }]"); }

// The rule of an export that has this one alone.
AccessRule rule(const std::string& keys) {
  const Config config = read(with_rule(keys));
  REQUIRE(config.exports.at(0).allow);
  REQUIRE(config.exports[0].allow->rules.size() == 1);
  return config.exports[0].allow->rules[0];
}

// The message about what is wrong with `text`, without the file's name; "none" when nothing is.
std::string access_mistake(const std::string& text) {
  const TempFolder folder;
  const auto file = folder.write("a.toml", text);
  try {
    read_config(file);
    return "none";
  } catch (const ConfigError& e) {
    return std::string(e.what()).substr(file.string().size());
  }
}

std::string rule_mistake(const std::string& keys) { return access_mistake(with_rule(keys)); }

}  // namespace

TEST_CASE("allow: each key of a rule is read") {
  CHECK(rule("uid = 107").uid == 107u);
  CHECK(rule("uid = 4294967294").uid == 4294967294u);
  CHECK(rule("user = \"root\"").user == 0u);
  CHECK(rule("user = 107").user == 107u);
  CHECK(rule("user = \"daemon\"").user == ::getpwnam("daemon")->pw_uid);
  CHECK(rule("group = \"root\"").group == 0u);
  CHECK(rule("group = \"disk\"").group == ::getgrnam("disk")->gr_gid);
  CHECK(rule("address = \"10.0.0.0/8\"").address->contains(*parse_ip_address("10.9.9.9")));
  CHECK_FALSE(rule("address = \"10.0.0.0/8\"").address->contains(*parse_ip_address("11.9.9.9")));
  CHECK_FALSE(rule("uid = 0").read_only);
  CHECK(rule("uid = 0, read_only = true").read_only);
  CHECK(rule("read_only = true").read_only);
  const AccessRule uid = rule("uid = 0");
  CHECK_FALSE((uid.psk || uid.dn || uid.user || uid.group || uid.address));
}

TEST_CASE("allow: a rule knows its words and its place") {
  const AccessRule one = rule(R"(group = "root", uid = 3, user = "root", read_only = false)");
  CHECK(one.text == R"({ group = "root", uid = 3, user = "root", read_only = false })");
  CHECK(one.line == 3);
  CHECK(one.column == 10);
}

TEST_CASE("allow: the rules keep their order, and may stand below one another") {
  const Config config = read(with("allow = [\n  { uid = 2 },\n  { uid = 1 },\n]"));
  const AccessRules& allow = *config.exports.at(0).allow;
  REQUIRE(allow.rules.size() == 2);
  CHECK(allow.rules[0].uid == 2u);
  CHECK(allow.rules[1].uid == 1u);
  CHECK(allow.rules[1].line == 5);
  CHECK(allow.line == 3);
  CHECK_FALSE(allow.of_server);
}

TEST_CASE("allow: an empty list is one, and no list is none") {
  const Config config = read("[server]\nallow = []\n" + with("") +
                             "[[export]]\nname = \"other\"\nallow = []\nplugin = { type = \"null\" }\n");
  REQUIRE(config.server.allow);
  CHECK(config.server.allow->rules.empty());
  CHECK(config.server.allow->of_server);
  CHECK(config.server.allow->line == 2);
  CHECK_FALSE(config.exports.at(0).allow);
  REQUIRE(config.exports.at(1).allow);
  CHECK(config.exports[1].allow->rules.empty());
}

TEST_CASE("multi_conn and max_connections of an export are read") {
  CHECK(read(with("")).exports.at(0).multi_conn);
  CHECK(read(with("multi_conn = \"auto\"")).exports.at(0).multi_conn);
  CHECK_FALSE(read(with("multi_conn = \"off\"")).exports.at(0).multi_conn);
  CHECK_THAT(access_mistake(with("multi_conn = \"of\"")), ContainsSubstring("no way \"of\"; did you mean \"off\"?"));
  CHECK_THAT(access_mistake(with("multi_conn = false")), ContainsSubstring("found a boolean, wanted a string"));
  CHECK_FALSE(read(with("")).exports.at(0).max_connections);
  CHECK(read(with("max_connections = 3")).exports.at(0).max_connections == 3);
  CHECK_THAT(access_mistake(with("max_connections = 0")), ContainsSubstring("0 is out of range; give 1 to 1000000"));
}

TEST_CASE("exclusive is read") {
  CHECK(read(with("exclusive = true")).exports.at(0).exclusive);
  CHECK_FALSE(read(with("exclusive = false")).exports.at(0).exclusive);
  CHECK_THAT(access_mistake(with("exclusive = 1")),
             StartsWith(":3:13: key \"exclusive\": found an integer, wanted a boolean"));
}

TEST_CASE("allow: unknown keys") {
  CHECK(rule_mistake("gid = 0") == ":3:12: key \"gid\": unknown in a rule of allow; did you mean group?");
  CHECK(rule_mistake("ip = \"10.0.0.7\"") == ":3:12: key \"ip\": unknown in a rule of allow; did you mean address?");
  CHECK(rule_mistake("usr = \"root\"") == ":3:12: key \"usr\": unknown in a rule of allow; did you mean \"user\"?");
  CHECK(rule_mistake("colour = 1") ==
        ":3:12: key \"colour\": unknown in a rule of allow; known: psk, dn, uid, user, group, address, read_only");
}

TEST_CASE("allow: wrong types") {
  CHECK(
      access_mistake(with("allow = \"root\"")) ==
      ":3:9: key \"allow\": found a string, wanted an array of rules; write allow = [ { user = \"qemu\" }, { address = "
      "\"10.0.0.0/8\", read_only = true } ]");
  CHECK_THAT(access_mistake(with("allow = [{ uid = 0 }, \"root\"]")),
             StartsWith(":3:23: key \"allow\": found a string, wanted a rule; write allow = ["));
  CHECK_THAT(access_mistake("[server]\nallow = true\n" + with("")),
             StartsWith(":2:9: key \"allow\": found a boolean, wanted an array of rules"));
  CHECK_THAT(rule_mistake("psk = 1"), StartsWith(":3:18: key \"psk\": found an integer, wanted a string"));
  CHECK_THAT(rule_mistake("dn = true"), StartsWith(":3:17: key \"dn\": found a boolean, wanted a string"));
  CHECK_THAT(rule_mistake("uid = \"0\""), StartsWith(":3:18: key \"uid\": found a string, wanted an integer"));
  CHECK_THAT(rule_mistake("user = true"), StartsWith(":3:19: key \"user\": found a boolean, wanted a string"));
  CHECK_THAT(rule_mistake("group = []"), StartsWith(":3:20: key \"group\": found an array, wanted a string"));
  CHECK_THAT(rule_mistake("address = 10"), StartsWith(":3:22: key \"address\": found an integer, wanted a string"));
  CHECK_THAT(rule_mistake("uid = 0, read_only = 1"), StartsWith(":3:33: key \"read_only\": found an integer"));
}

TEST_CASE("allow: values that are none") {
  CHECK(rule_mistake("user = \"no-such-one\"") ==
        ":3:19: key \"user\": no user \"no-such-one\" on this machine; name one that there is, or give its number");
  CHECK(rule_mistake("group = \"no-such-one\"") ==
        ":3:20: key \"group\": no group \"no-such-one\" on this machine; name one that there is, or give its number");
  CHECK(rule_mistake("uid = -1") == ":3:18: key \"uid\": -1 is out of range; give 0 to 4294967294");
  CHECK_THAT(rule_mistake("uid = 4294967295"), ContainsSubstring("4294967295 is out of range"));
  CHECK(rule_mistake("address = \"host1\"") ==
        ":3:22: key \"address\": \"host1\" is no address; write one such as \"10.0.0.7\", \"10.0.0.0/8\" or "
        "\"2001:db8::/32\"");
  CHECK_THAT(rule_mistake("address = \"10.0.0.0/33\""), ContainsSubstring("give 0 to 32"));
  CHECK_THAT(rule_mistake("psk = \"\""),
             StartsWith(":3:18: key \"psk\": is empty; write the name of a pre-shared key"));
  CHECK_THAT(rule_mistake("dn = \"\""), StartsWith(":3:17: key \"dn\": is empty; write the distinguished name"));
}

TEST_CASE("allow: rules for nobody in particular") {
  CHECK(access_mistake(with("allow = [{}]")) ==
        ":3:10: key \"allow\": has an empty rule; name whom it is for, with psk, dn, uid, user, group or address");
  CHECK(rule_mistake("read_only = false") ==
        ":3:10: key \"allow\": has a rule that lets everybody write; name whom it is for, or leave allow out");
}

TEST_CASE("allow: rules that fit nobody") {
  CHECK_THAT(rule_mistake("uid = 0, address = \"10.0.0.7\""),
             StartsWith(":3:10: key \"allow\": has a rule that fits nobody"));
  CHECK_THAT(rule_mistake("group = 0, address = \"10.0.0.7\""), ContainsSubstring("make two rules of it"));
  CHECK_THAT(rule_mistake("psk = \"a\", dn = \"CN=a\""),
             StartsWith(":3:10: key \"allow\": has a rule that fits nobody"));
  CHECK_THAT(rule_mistake("dn = \"host1\""), StartsWith(":3:17: key \"dn\": \"host1\" is no distinguished name"));
}

TEST_CASE("allow: rules that need TLS, without it") {
  const std::string needs =
      "needs TLS, which this server does not speak; add tls = { mode = \"require\", … } to [server], "
      "or take the rule out";
  CHECK(rule_mistake("psk = \"alice\"") == ":3:10: key \"psk\": " + needs);
  CHECK(rule_mistake("uid = 0, dn = \"CN=*\"") == ":3:10: key \"dn\": " + needs);
  CHECK_THAT(access_mistake("[server]\nallow = [{ uid = 0 }, { psk = \"bob\" }]\n" + with("")),
             StartsWith(":2:23: key \"psk\": needs TLS"));
}

TEST_CASE("allow: rules that need a kind of proof that this server does not ask for") {
  const auto with_tls = [](const std::string& tls, const std::string& rule) {
    return access_mistake("[server]\ntls = { mode = \"allow\", " + tls + " }\n" + with_rule(rule));
  };
  const std::string psk = "psk = \"keys.psk\"", certificates = "certificates = \"pki\"";
  CHECK_THAT(with_tls(certificates, "psk = \"alice\""), StartsWith(":5:10: key \"psk\": needs pre-shared keys"));
  CHECK_THAT(with_tls(psk, "dn = \"CN=*\""), StartsWith(":5:10: key \"dn\": needs certificates"));
  CHECK_THAT(with_tls(certificates + ", verify_client = false", "dn = \"CN=*\""),
             StartsWith(":5:10: key \"dn\": needs certificates of clients"));
  CHECK(with_tls(psk, "psk = \"alice\"") == "none");
  CHECK(with_tls(certificates, "dn = \"CN=*\"") == "none");
  CHECK(with_tls(certificates + ", verify_client = true", "dn = \"CN=*\"") == "none");
}

TEST_CASE("allow: all mistakes are told") {
  const std::string all = access_mistake(with("allow = [{}, { uid = -1, usr = 1 }, { address = \"x\" }]"));
  for (const char* one : {":3:10: ", ":3:22: ", ":3:26: ", ":3:49: "}) CHECK_THAT(all, ContainsSubstring(one));
}
