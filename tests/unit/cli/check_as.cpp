// `ashlar check --as`: what a client would see, and why.
#include "cli/check_as.hpp"

#include <grp.h>
#include <pwd.h>

#include <boost/json/parse.hpp>

#include "unit/cli/run_command.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using ashlar::host::Identity;
using ashlar::host::parse_identity;
using ashlar::host::parse_ip_address;

namespace {

Outcome check_as(const std::filesystem::path& file, std::vector<std::string> more) {
  std::vector<std::string> words{"check", file.string(), "--module-path", TEST_MODULES};
  words.insert(words.end(), more.begin(), more.end());
  return run_command(words);
}

// What is said of the client `as`, without the program's name; the command must fail with 2.
std::string as_mistake(const std::string& as) {
  const Outcome outcome = run_command({"check", "any.toml", "--as", as});
  CHECK(outcome.code == 2);
  CHECK(outcome.out.empty());
  REQUIRE_THAT(outcome.err, StartsWith("ashlar: --as: ") && EndsWith("\n"));
  return outcome.err.substr(14, outcome.err.size() - 15);
}

constexpr const char* pond = "plugin = { type = \"pond\", size = 1, wet = true }\n";

}  // namespace

TEST_CASE("a client in words: each key, together and one by one") {
  const Identity by_unix = parse_identity({"dn=CN=host1,O=Stones\\, big,C=DE,uid=12345,group=0"});
  CHECK(by_unix.dn == "CN=host1,O=Stones\\, big,C=DE");
  CHECK(by_unix.uid == 12345u);
  CHECK(by_unix.groups == std::vector<gid_t>{0});
  CHECK((by_unix.psk.empty() && !by_unix.address));
  const Identity by_tcp = parse_identity({"psk=alice,address=10.0.0.7"});
  CHECK(by_tcp.psk == "alice");
  CHECK(by_tcp.address == parse_ip_address("10.0.0.7"));
  CHECK((by_tcp.dn.empty() && !by_tcp.uid && by_tcp.groups.empty()));
  const Identity parts = parse_identity({"group=root,group=disk", "psk=bob"});
  CHECK(parts.psk == "bob");
  CHECK(parts.groups == std::vector<gid_t>{0, ::getgrnam("disk")->gr_gid});
  CHECK(parse_identity({"dn=CN=a,O=b", "address=::1"}).address == parse_ip_address("::1"));
}

TEST_CASE("a client in words: a user comes with his groups") {
  const passwd daemon = *::getpwnam("daemon");
  for (const std::string& as : {std::string("user=daemon"), "uid=" + std::to_string(daemon.pw_uid)}) {
    const Identity client = parse_identity({as});
    CHECK(client.uid == daemon.pw_uid);
    CHECK(std::find(client.groups.begin(), client.groups.end(), daemon.pw_gid) != client.groups.end());
  }
}

TEST_CASE("a client in words: what is wrong with it") {
  CHECK(as_mistake("") == "unknown \"\"; write KEY=VALUE; known: psk, dn, uid, user, group, address");
  CHECK(as_mistake("alice") == "unknown \"alice\"; write KEY=VALUE; known: psk, dn, uid, user, group, address");
  CHECK(as_mistake("adress=10.0.0.7") == "unknown \"adress=10.0.0.7\"; did you mean \"address\"?");
  CHECK(as_mistake("uid=1,gid=2") == "unknown \"gid=2\"; did you mean \"uid\"?");
  CHECK(as_mistake("psk=alice,") == "unknown \"\"; write KEY=VALUE; known: psk, dn, uid, user, group, address");
  CHECK(as_mistake("psk=") == "psk= has no value; write one behind it");
  CHECK(as_mistake("uid=root") == "uid=root is no number of a user; for a name write user=root");
  CHECK(as_mistake("uid=-1") == "uid=-1 is no number of a user; for a name write user=-1");
  CHECK(as_mistake("uid=4294967295") == "uid=4294967295 is no number of a user; for a name write user=4294967295");
  CHECK_THAT(as_mistake("user=no-such-one"), StartsWith("no user \"no-such-one\" on this machine"));
  CHECK_THAT(as_mistake("group=no-such-one"), StartsWith("no group \"no-such-one\" on this machine"));
  CHECK(as_mistake("address=10.0.0.0/8") ==
        "address=10.0.0.0/8 is no address; write one such as 10.0.0.7 or 2001:db8::1");
  CHECK(as_mistake("psk=a,psk=b") == "psk=b is one too many; a client has one");
  CHECK(as_mistake("uid=0,user=root") ==
        "user=root is one too many; a client has one user, so give either uid or user");
}

TEST_CASE("a client in words: one that cannot be is a mistake, as a rule for it is") {
  const std::string of_two_kinds =
      "there is no such client: one by tcp has an address, one at a unix socket a user and groups; ask for each";
  CHECK(as_mistake("address=10.0.0.7,uid=1") == of_two_kinds);
  CHECK(as_mistake("user=root,address=::1") == of_two_kinds);
  CHECK(as_mistake("group=root,address=::1") == of_two_kinds);
  CHECK(as_mistake("psk=alice,dn=CN=host1") ==
        "there is no such client: it shows a key or a certificate, psk or dn, not both; ask for each");
}

TEST_CASE("check --as: without TLS nobody shows anything, be there files for it or not") {
  const TempFolder folder;
  for (const char* const tls : {"", "tls = { mode = \"off\", psk = \"keys.psk\", certificates = \"pki\" }\n"}) {
    const auto file = folder.write("a.toml", std::string("[server]\n") + tls + "[[export]]\nname = \"a\"\n" + pond);
    for (const char* const as : {"psk=alice", "dn=CN=host1", "psk=alice,uid=1"})
      CHECK_THAT(check_as(file, {"--as", as}).out,
                 StartsWith("\"a\"  refused  the server does not speak TLS, so nobody can show it"));
  }
}

TEST_CASE("check --as: a line for each export, with what the client may do and why") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", std::string("[server]\nallow = [{ uid = 1 }]\n") +
                                               "[[export]]\nname = \"by default\"\n" + pond +
                                               "[[export]]\nname = \"own\"\nallow = [{ uid = 2 }, { uid = 0, "
                                               "read_only = true }]\n" +
                                               pond + "[[export]]\nname = \"nobody\"\nallow = []\n" + pond +
                                               "[[export]]\nname = \"fixed\"\nread_only = true\n" + pond +
                                               "[[export]]\nname = \"dry\"\noptional = true\nplugin = { type = "
                                               "\"pond\", size = 1, dry = true }\n");
  const std::string of_server = "{ uid = 1 } in line 2";
  Outcome outcome = check_as(file, {"--as", "uid=1"});
  CHECK(outcome.code == 0);
  CHECK(outcome.out == "\"by default\"  read-write  " + of_server +
                           "\n"
                           "\"own\"         refused     no rule of allow in line 8 fits\n"
                           "\"nobody\"      refused     allow in line 12 is empty\n"
                           "\"fixed\"       read-only   " +
                           of_server +
                           "; the export is read-only\n"
                           "\"dry\"         read-write  " +
                           of_server +
                           "; it cannot be opened now: the pond is dry: No such file or directory\n"
                           "OK: " +
                           file.string() + ": 5 exports\n");
  outcome = check_as(file, {"--as", "uid=0"});
  CHECK_THAT(outcome.out, StartsWith("\"by default\"  refused    no rule of [server] allow in line 2 fits\n"
                                     "\"own\"         read-only  { uid = 0, read_only = true } in line 8\n"));
}

TEST_CASE("check --as: of a rule in an included file that file is named") {
  const TempFolder folder;
  const auto part =
      folder.write("conf.d/b.toml", std::string("[[export]]\nname = \"b\"\nallow = [{ uid = 2 }]\n") + pond);
  const auto file = folder.write(
      "a.toml", std::string("include = [\"conf.d/*\"]\n[server]\nallow = []\n") + "[[export]]\nname = \"a\"\n" + pond);
  CHECK_THAT(check_as(file, {"--as", "uid=0"}).out, StartsWith("\"a\"  refused  [server] allow in line 3 is empty\n"
                                                               "\"b\"  refused  no rule of allow in line 3 of " +
                                                               part.string() + " fits\n"));
}

TEST_CASE("check --as: without allow everybody may; what cannot be written to is read-only") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", std::string("[[export]]\nname = \"a\"\n") + pond +
                                               "[[export]]\nname = \"b\"\nplugin = { type = \"pond\", size = 1 }\n");
  CHECK_THAT(check_as(file, {"--as", "address=10.0.0.7"}).out,
             StartsWith("\"a\"  read-write  there is no allow\n"
                        "\"b\"  read-only   there is no allow; nothing in its chain can be written to\n"));
}

TEST_CASE("check --as: what the config says of writing holds for templates, and for what cannot be opened now") {
  const TempFolder folder;
  const std::string images = "plugin = { type = \"file\", path = \"*.img\" }\n";
  const auto file = folder.write(
      "a.toml", "[[export]]\nname = \"a/*\"\nread_only = true\n" + images + "[[export]]\nname = \"b/*\"\n" + images +
                    "[[export]]\nname = \"dry\"\noptional = true\nread_only = true\nplugin = { type = \"pond\", "
                    "size = 1, dry = true }\n");
  CHECK_THAT(check_as(file, {"--as", "uid=0"}).out,
             StartsWith("\"a/*\"  read-only   there is no allow; the export is read-only\n"
                        "\"b/*\"  read-write  there is no allow; unless its chain cannot be written to, which is seen "
                        "when a name is opened\n"
                        "\"dry\"  read-only   there is no allow; the export is read-only\n"));
}

TEST_CASE("check --as: mistakes of the config are told as ever") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", std::string("[[export]]\nname = \"a\"\nallow = [{}]\n") + pond);
  const Outcome outcome = check_as(file, {"--as", "uid=0"});
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, ContainsSubstring(":3:10: key \"allow\": has an empty rule"));
}

TEST_CASE("check --as --json: the same for programs; without --as the rules alone") {
  const TempFolder folder;
  const auto file = folder.write(
      "a.toml", std::string("[[export]]\nname = \"a\"\nexclusive = true\n") + "allow = [{ uid = 0 }]\n" + pond);
  const auto first = [&](std::vector<std::string> more) {
    more.push_back("--json");
    return boost::json::parse(check_as(file, more).out).at("exports").at(0).as_object();
  };
  const auto seen = first({"--as", "uid=1"});
  CHECK(seen.at("as") == boost::json::value{{"access", "refused"}, {"why", "no rule of allow in line 4 fits"}});
  CHECK(seen.at("allow") == boost::json::value(boost::json::array{"{ uid = 0 }"}));
  CHECK(seen.at("exclusive") == true);
  CHECK_FALSE(first({}).contains("as"));
}

TEST_CASE("check shows who may do what where the config says it") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", std::string("[[export]]\nname = \"a\"\nexclusive = true\n") +
                                               "allow = [{ uid = 0 }, { uid = 1 }]\n" + pond +
                                               "[[export]]\nname = \"b\"\nallow = []\n" + pond);
  CHECK_THAT(check_as(file, {}).out, ContainsSubstring("  description  -\n"
                                                       "  exclusive    yes\n"
                                                       "  allow        { uid = 0 }\n"
                                                       "               { uid = 1 }\n"
                                                       "  size         1 bytes\n") &&
                                         ContainsSubstring("  allow        nobody\n  size "));
}
