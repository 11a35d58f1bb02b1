#include "config/other_names.hpp"

#include "catch.hpp"

#include <vector>

using ashlar::host::other_key;
using ashlar::host::other_name;
using ashlar::host::other_rule_key;
using ashlar::host::other_server_key;
using ashlar::host::other_tls_key;

TEST_CASE("other names: who knows nbdkit's filters hears what to write here") {
  const std::vector<std::string> all{"align", "cache", "fault", "log"};
  for (const char* word : {"delay", "error", "evil", "pause"}) CHECK(other_name(word, all).find("\"fault\"") == 13);
  CHECK(other_name("readahead", all) == "did you mean \"cache\", which reads ahead?");
  CHECK(other_name("blocksize", all) == "did you mean \"align\", block_size = 4096?");
  CHECK(other_name("limit", all) == "did you mean max_connections = 1, a key of [[export]]?");
  CHECK(other_name("multi-conn", all) == "did you mean multi_conn = \"off\", a key of [[export]]?");
  CHECK(other_name("stats", all) == "did you mean `ashlar status`, or metrics, a key of [server]?");
  CHECK(other_name("time-limit", all) == "did you mean `ashlar disconnect`, which ends a connection?");
  CHECK(other_name("log", all).empty());
}

TEST_CASE("other names: who knows the plugins of others, or what they do by filters, hears of a plugin") {
  const std::vector<std::string> all{"curl", "fault", "file", "nbd", "rbd"};
  CHECK(other_name("nocache", all) == "did you mean the plugin \"file\", direct = true?");
  CHECK(other_name("http", all) == "did you mean the plugin \"curl\", url = \"https://…\"?");
  CHECK(other_name("ceph", all) == "did you mean the plugin \"rbd\", pool and image?");
  CHECK(other_name("full", all) ==
        "did you mean the filter \"fault\", rules = [\"write error=ENOSPC\"], over the plugin null?");
  for (const char* word : {"ssh", "vddk", "s3", "swab", "gzip", "tar", "ext2"})
    CHECK(other_name(word, all) == "did you mean the plugin \"nbd\", command = [\"nbdkit\", …]?");
}

TEST_CASE("other names: keys of an export that are something else here") {
  CHECK(other_key("limit") == "did you mean max_connections = 1?");
  CHECK(other_key("rate") == "did you mean [[export.filter]], type = \"rate\"?");
  CHECK(other_key("delay") == "did you mean [[export.filter]], type = \"fault\", rules = [\"read delay=40ms\"]?");
  CHECK(other_key("name").empty());
}

TEST_CASE("other names: keys of the server that stand elsewhere, or are something else here") {
  CHECK(other_server_key("include") == "write it above [server]: what follows a table's header belongs to the table");
  CHECK(other_server_key("port") == "did you mean listen = [\"tcp::10809\"]?");
  CHECK(other_server_key("read_only") == "did you mean read_only, a key of [[export]]?");
  CHECK(other_server_key("listen").empty());
}

TEST_CASE("other names: keys that other servers have for TLS and for who may do what") {
  for (const char* word : {"certfile", "tls-certificates", "certificates"})
    CHECK(other_server_key(word) == "did you mean tls = { mode = \"require\", certificates = \"FOLDER\" }?");
  CHECK(other_key("authfile") == "did you mean allow = [ { address = \"10.0.0.0/8\" }, … ]?");
  CHECK(other_tls_key("psk_file") == "did you mean psk?");
  CHECK(other_tls_key("mode").empty());
  CHECK(other_rule_key("gid") == "did you mean group?");
  CHECK(other_rule_key("uid").empty());
}

TEST_CASE("other names: nothing is named that is not there") {
  CHECK(other_name("readahead", std::vector<std::string>{"fault"}).empty());
  CHECK(other_name("delay", {}).empty());
}
