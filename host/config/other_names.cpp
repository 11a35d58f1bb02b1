#include "config/other_names.hpp"

#include <algorithm>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

struct Module {
  std::string_view word;
  std::string_view kind;  // where its section does not say it
  std::string_view type, what;
};
constexpr std::string_view plugin = "the plugin ", filter = "the filter ";
constexpr std::string_view nbdkit = "command = [\"nbdkit\", …]";
constexpr Module modules_here[] = {
    {"blocksize", "", "align", "block_size = 4096"},
    {"delay", "", "fault", "rules = [\"read delay=40ms\"]"},
    {"error", "", "fault", "rules = [\"read error=EIO probability=0.01\"]"},
    {"evil", "", "fault", "rules = [\"read flip=1 probability=0.01\"]"},
    {"full", filter, "fault", "rules = [\"write error=ENOSPC\"], over the plugin null"},
    {"pause", "", "fault", "`ashlar control EXPORT/fault pause`"},
    {"readahead", "", "cache", "which reads ahead"},
    {"nocache", plugin, "file", "direct = true"},
    {"http", plugin, "curl", "url = \"https://…\""},
    {"https", plugin, "curl", "url = \"https://…\""},
    {"ftp", plugin, "curl", "url = \"ftp://…\""},
    {"ceph", plugin, "rbd", "pool and image"},
    {"qcow2", plugin, "nbd", "command = [\"qemu-nbd\", \"-f\", \"qcow2\", …]"},
    {"vmdk", plugin, "nbd", "command = [\"qemu-nbd\", \"-f\", \"vmdk\", …]"},
    {"ssh", plugin, "nbd", nbdkit},
    {"vddk", plugin, "nbd", nbdkit},
    {"s3", plugin, "nbd", nbdkit},
    {"swab", plugin, "nbd", nbdkit},
    {"gzip", plugin, "nbd", nbdkit},
    {"tar", plugin, "nbd", nbdkit},
    {"ext2", plugin, "nbd", nbdkit},
};

struct Other {
  std::string_view word, instead;
};
constexpr Other others[] = {
    {"limit", "did you mean max_connections = 1, a key of [[export]]?"},
    {"multi-conn", "did you mean multi_conn = \"off\", a key of [[export]]?"},
    {"ip", "did you mean allow, a key of [[export]]?"},
    {"stats", "did you mean `ashlar status`, or metrics, a key of [server]?"},
    {"time-limit", "did you mean `ashlar disconnect`, which ends a connection?"},
};
constexpr Other keys[] = {
    {"limit", "did you mean max_connections = 1?"},
    {"rate", "did you mean [[export.filter]], type = \"rate\"?"},
    {"delay", "did you mean [[export.filter]], type = \"fault\", rules = [\"read delay=40ms\"]?"},
    {"authfile", "did you mean allow = [ { address = \"10.0.0.0/8\" }, … ]?"},
    {"users", "did you mean allow = [ { user = \"qemu\" }, … ]?"},
};
constexpr std::string_view certificates = "did you mean tls = { mode = \"require\", certificates = \"FOLDER\" }?";
constexpr std::string_view psk = "did you mean tls = { mode = \"require\", psk = \"FILE\" }?";
constexpr std::string_view verify_client = "did you mean tls = { verify_client = true, … }?";
constexpr Other server_keys[] = {
    {"include", "write it above [server]: what follows a table's header belongs to the table"},
    {"port", "did you mean listen = [\"tcp::10809\"]?"},
    {"bind", "did you mean listen = [\"tcp:127.0.0.1:10809\"]?"},
    {"socket", "did you mean listen = [\"unix:/run/ashlar.sock\"]?"},
    {"threads", "did you mean workers?"},
    {"read_only", "did you mean read_only, a key of [[export]]?"},
    {"exclusive", "did you mean exclusive, a key of [[export]]?"},
    {"authfile", "did you mean allow = [ { address = \"10.0.0.0/8\" }, … ]?"},
    {"certfile", certificates},
    {"keyfile", certificates},
    {"cacertfile", certificates},
    {"certificates", certificates},
    {"tls_certificates", certificates},
    {"tls-certificates", certificates},
    {"tls_mode", certificates},
    {"psk", psk},
    {"tls_psk", psk},
    {"tls-psk", psk},
    {"verify_client", verify_client},
    {"tls-verify-peer", verify_client},
    {"minimum_version", "did you mean tls = { minimum_version = \"1.3\", … }?"},
    {"ciphers", "did you mean tls = { ciphers = \"…\", … }?"},
};
constexpr std::string_view folder =
    "did you mean certificates, the folder of ca-cert.pem, server-cert.pem and server-key.pem?";
constexpr Other tls_keys[] = {
    {"ca", folder},
    {"cert", folder},
    {"certfile", folder},
    {"key", folder},
    {"keyfile", folder},
    {"dir", folder},
    {"psk_file", "did you mean psk?"},
    {"keys", "did you mean psk?"},
    {"verify_peer", "did you mean verify_client?"},
    {"verify-peer", "did you mean verify_client?"},
    {"priority", "did you mean ciphers, in OpenSSL's words?"},
};
// Near to "uid" is "gid", which is something else.
constexpr Other rule_keys[] = {
    {"gid", "did you mean group?"},
    {"ip", "did you mean address?"},
    {"host", "did you mean address?"},
    {"network", "did you mean address?"},
    {"cn", "did you mean dn = \"CN=NAME,*\"?"},
};

std::string find(std::span<const Other> in, std::string_view word) {
  for (const Other& one : in)
    if (one.word == word) return std::string(one.instead);
  return {};
}

}  // namespace

std::string other_name(std::string_view word, std::span<const std::string> modules) {
  for (const Module& one : modules_here)
    if (one.word == word && std::find(modules.begin(), modules.end(), one.type) != modules.end())
      return "did you mean " + std::string(one.kind) + in_quotes(one.type) + ", " + std::string(one.what) + "?";
  return find(others, word);
}

std::string other_key(std::string_view word) { return find(keys, word); }

std::string other_server_key(std::string_view word) { return find(server_keys, word); }

std::string other_tls_key(std::string_view word) { return find(tls_keys, word); }

std::string other_rule_key(std::string_view word) { return find(rule_keys, word); }

}  // namespace ashlar::host
