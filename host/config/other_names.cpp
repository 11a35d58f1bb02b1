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
};
constexpr Other server_keys[] = {
    {"include", "write it above [server]: what follows a table's header belongs to the table"},
    {"port", "did you mean listen = [\"tcp::10809\"]?"},
    {"bind", "did you mean listen = [\"tcp:127.0.0.1:10809\"]?"},
    {"socket", "did you mean listen = [\"unix:/run/ashlar.sock\"]?"},
    {"threads", "did you mean workers?"},
    {"read_only", "did you mean read_only, a key of [[export]]?"},
    {"exclusive", "did you mean exclusive, a key of [[export]]?"},
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

}  // namespace ashlar::host
