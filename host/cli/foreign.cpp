#include "cli/foreign.hpp"

#include <algorithm>

namespace ashlar::host {
namespace {

using Value = Foreign::Value;
using Becomes = Foreign::Becomes;

constexpr std::string_view formats[] = {"raw", "qcow2", "qcow", "vmdk", "vhdx", "vdi", "vpc", "qed"};

constexpr std::string_view one_export =
    "an image is served as the default export; a config can give it a name and a description";
constexpr std::string_view in_config = "write a config with that in it; README.md has one to start from";

// Where one name means different things, the first whose value fits is meant.
const Foreign table[] = {
    {{"-p", "--port"}, Value::any, Becomes::port},
    {{"-b", "--bind", "-i", "--ip-addr", "--ipaddr", "--address", "--host"}, Value::any, Becomes::host},
    {{"-U", "--unix", "-k", "--socket", "--sock", "--unix-socket"}, Value::any, Becomes::unix_path},
    {{"-r", "--readonly", "--read_only", "--ro"}, Value::none, Becomes::read_only},
    {{"-C", "--config", "--config-file"}, Value::any, Becomes::file},

    {{"-f", "--format"}, Value::format, Becomes::nothing, "images are served as the bytes that they are made of"},
    {{"--format"}, Value::any, Becomes::nothing, "images are served as the bytes that they are made of"},
    {{"-f", "--foreground", "--no-fork"}, Value::none, Becomes::nothing, "the server stays in the foreground"},
    {{"--fork", "--daemon", "--daemonize"},
     Value::none,
     Becomes::elsewhere,
     "the server stays in the foreground; what starts it, such as systemd, may put it in the background"},
    {{"-P", "--pidfile", "--pid-file"},
     Value::any,
     Becomes::nothing,
     "the server stays in the foreground, so that what starts it knows its process; --ready-fd tells when it is ready"},
    {{"-t", "--threads"}, Value::number, Becomes::elsewhere, "write workers = … in the [server] of a config"},
    {{"-t", "--persistent"}, Value::none, Becomes::nothing, "clients may come and go until the server is told to stop"},
    {{"-e", "--shared"}, Value::number, Becomes::nothing, "many clients may come at once"},
    {{"-n", "--nocache"}, Value::none, Becomes::elsewhere, "write direct = true in the [export.plugin] of a config"},
    {{"--newstyle"}, Value::none, Becomes::nothing, "there is no other"},
    {{"--cache", "--aio", "--discard", "--detect-zeroes"}, Value::any, Becomes::elsewhere, in_config},

    {{"-e", "-x", "-N", "--exportname", "--export-name", "--export"}, Value::any, Becomes::elsewhere, one_export},
    {{"-D", "--description"}, Value::any, Becomes::elsewhere, one_export},
    {{"-o", "--offset"}, Value::any, Becomes::elsewhere, "the filter offset does that; write a config that has it"},
    {{"--filter"}, Value::any, Becomes::elsewhere, in_config},
    {{"--plugin"}, Value::any, Becomes::elsewhere, in_config},
    {{"-s", "--single", "--snapshot", "-l", "--load-snapshot"},
     Value::none,
     Becomes::elsewhere,
     "there are neither snapshots nor clients on stdin"},
    {{"-c", "--connect", "-d", "--disconnect"},
     Value::any,
     Becomes::elsewhere,
     "nbd-client connects this machine's devices to a server"},
    {{"-u", "--user", "-g", "--group"}, Value::any, Becomes::elsewhere, "write user = … in the [server] of a config"},
    {{"-L", "--list"},
     Value::none,
     Becomes::elsewhere,
     "ashlar list shows the plugins and filters, nbdinfo --list the exports of a server"},
    {{"--tls", "--tls-creds", "--tls-certificates", "--tls-psk", "--tls-verify-peer", "--tls-hostname", "--object"},
     Value::any,
     Becomes::elsewhere,
     R"(a config has it, as [server] tls = { mode = "require", certificates = "DIR", psk = "FILE" })"},
    {{"--tls-authz"},
     Value::any,
     Becomes::elsewhere,
     R"(a config has it, as [[export]] allow = [ { dn = "CN=host1,*" }, … ])"},
    {{"--mode"},
     Value::any,
     Becomes::elsewhere,
     R"(a config has it, as [server] listen = [ { unix = "PATH", mode = "0660", group = "disk" } ])"},
    {{"--control", "--metrics", "--sandbox", "--allow", "--max-connections", "--workers", "--max-memory"},
     Value::any,
     Becomes::elsewhere,
     "it is a key of a config: write it in its [server]"},
    {{"--log", "--log-file"}, Value::any, Becomes::elsewhere, "the log goes to stderr; 2>FILE puts it elsewhere"},
    {{"-V"}, Value::none, Becomes::elsewhere, "ashlar --version prints the version"},
};

bool fits(Value value, std::string_view next) {
  switch (value) {
    case Value::none:
    case Value::any: return true;
    case Value::number: return !next.empty() && next.find_first_not_of("0123456789") == std::string_view::npos;
    case Value::format: return std::find(std::begin(formats), std::end(formats), next) != std::end(formats);
  }
  return false;
}

}  // namespace

const Foreign* find_foreign(std::string_view name, std::string_view next) {
  for (const Foreign& one : table)
    if (std::find(one.names.begin(), one.names.end(), name) != one.names.end() && fits(one.value, next)) return &one;
  return nullptr;
}

}  // namespace ashlar::host
