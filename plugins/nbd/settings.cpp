#include "settings.hpp"

#include <unistd.h>

#include <ashlar/rules/duration.hpp>
#include <cerrno>
#include <system_error>

#include "star.hpp"

using namespace ashlar;

namespace {

constexpr std::size_t longest_name = 4096;  // proto.md, "Protocol phases": of strings

std::chrono::milliseconds duration(const Params& params, const char* name) {
  const std::string text(params.text(name));
  const auto found = rules::parse_duration(text);
  if (!found || *found < std::chrono::milliseconds(1) || *found > std::chrono::hours(1))
    throw BadParameter(name, std::string(name) + " = \"" + text + "\" is no time of 1ms to 3600s; write \"60s\"");
  return std::chrono::ceil<std::chrono::milliseconds>(*found);
}

void need(bool there, const char* name, const std::string& what) {
  if (!there) throw BadParameter(name, what);
}

void need_readable(const char* name, const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0)
    throw BadParameter(name, path + " cannot be read: " + std::generic_category().message(errno), errno);
}

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

Settings::Settings(const Params& params)
    : export_name(params.text("export")),
      connections(static_cast<std::uint32_t>(params.integer("connections"))),
      read_only(params.boolean("read_only")),
      certificates(params.path("certificates")),
      psk(params.path("psk")),
      user(params.text("user")),
      verify(params.boolean("verify")),
      server_name(params.text("server_name")),
      timeout(duration(params, "timeout")) {
  read_server(params);
  need(export_name.size() <= longest_name, uri && !uri->export_name.empty() ? "uri" : "export",
       "the export's name has more than 4096 bytes, which is the most that NBD allows");
  read_tls(params);
  check_files();
}

void Settings::read_server(const Params& params) {
  need(params.has("uri") || params.has("command"), "uri",
       "where is the server? Write uri = \"nbd://HOST:PORT/EXPORT\", or command = [\"PROGRAM\", …] that is started");
  need(!params.has("uri") || !params.has("command"), "command", "uri and command exclude each other");
  if (params.has("uri")) {
    shown = params.text("uri");  // there is no secret in it, or it is refused
    uri = parse_uri(shown);
    need(export_name.empty() || uri->export_name.empty(), "export", "uri names an export already");
    if (export_name.empty()) export_name = uri->export_name;
    need(user.empty() || uri->user.empty(), "user", "uri names a user already");
    if (user.empty()) user = uri->user;
    return;
  }
  for (const ashlar_value* const word : params.list("command")) command.emplace_back(word->text);
  need(!command.empty() && !command.front().empty(), "command", "command has no program");
  shown = command.front();
  if (const std::size_t slash = shown.rfind('/'); slash != shown.npos) shown.erase(0, slash + 1);
}

void Settings::read_tls(const Params& params) {
  if (params.has("tls")) {
    const std::string_view mode = params.choice("tls");
    tls = mode == "require" ? Tls::require : mode == "allow" ? Tls::allow : Tls::off;
    need(!uri || !uri->tls || tls == Tls::require, "tls", "uri begins with nbds, which goes with tls = \"require\"");
  } else if (uri && uri->tls) {
    tls = Tls::require;
  }
  if (tls == Tls::off) {
    const std::string why = " needs tls = \"require\", or a uri that begins with nbds";
    for (const char* const name : {"certificates", "psk", "user", "server_name"})
      need(!params.has(name), name, name + why);
    need(verify, "verify", "verify = false" + why);
    return;
  }
  need(certificates.empty() || psk.empty(), "psk", "certificates and psk exclude each other");
  need(psk.empty() || !user.empty(), "user", "psk needs user: whose key in the file");
  need(user.empty() || !psk.empty(), "psk", "user needs psk: the file with the key");
  need(server_name.empty() || names_server(), "server_name", "server_name is for certificates that are verified");
  if (!names_server()) return;
  // Without it libnbd would take the system's authorities and verify nothing.
  need(!certificates.empty(), "certificates",
       "whom is to be trusted? Write certificates = \"DIR\" with ca-cert.pem in it, or psk = \"FILE\", or verify = "
       "false");
  if (server_name.empty() && uri) server_name = uri->host;
  need(!server_name.empty(), "server_name",
       "over a unix socket it has to be said whom the certificate must name: write server_name = \"localhost\", or "
       "verify "
       "= false");
}

// In a URI some characters of a name are written otherwise: what has them would become another name there.
std::string Settings::star_in(std::string_view name) const {
  std::string star = ::star_in(export_name, name);
  const bool is_in_uri = uri && !uri->export_name.empty();
  return is_in_uri && star.find_first_of("%?#") != star.npos ? std::string() : star;
}

void Settings::check_files() const {
  if (!psk.empty()) need_readable("psk", psk);
  if (certificates.empty()) return;
  need_readable("certificates", certificates + "/ca-cert.pem");
  // Where one of them is missing, libnbd shows no certificate of ours.
  const std::string cert = certificates + "/client-cert.pem", key = certificates + "/client-key.pem";
  if (is_there(cert) || is_there(key)) {
    need_readable("certificates", cert);
    need_readable("certificates", key);
  }
}
