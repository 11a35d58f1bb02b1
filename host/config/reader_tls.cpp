// ConfigReader's tls: of the server, and of an export.
#include "config/other_names.hpp"
#include "config/reader.hpp"
#include "config/reader_table.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr const char* example = R"(write tls = { mode = "require", certificates = "/etc/pki/ashlar" })";

// One of the words that a key may hold, by its number.
std::optional<std::size_t> index_of(const std::string& text, std::span<const std::string> words) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return std::nullopt;
  return static_cast<std::size_t>(found - words.begin());
}

}  // namespace

std::span<const ConfigReader::Key<TlsConfig>> ConfigReader::tls_keys() {
  static constexpr Key<TlsConfig> keys[] = {{"mode", &ConfigReader::read_tls_mode},
                                            {"certificates", &ConfigReader::read_tls_certificates},
                                            {"psk", &ConfigReader::read_tls_psk},
                                            {"verify_client", &ConfigReader::read_tls_verify_client},
                                            {"minimum_version", &ConfigReader::read_tls_minimum_version},
                                            {"ciphers", &ConfigReader::read_tls_ciphers}};
  return keys;
}

void ConfigReader::read_tls(const TomlEntry& entry, ServerConfig& into) const {
  into.tls.place = entry.node.place;
  into.tls.flawed = true;
  const std::size_t before = mistakes_.size();
  const Names there =
      read_table(table(entry.key, entry.node, "a table", example), tls_keys(), "tls", into.tls, other_tls_key);
  if (mistakes_.size() == before) check_tls(into.tls, there);
  into.tls.flawed = mistakes_.size() != before;
}

void ConfigReader::check_tls(const TlsConfig& tls, const Names& there) const {
  if (!there.contains("mode"))
    return tell(tls.place, "mode", R"(missing in tls; write mode = "require", "allow" or "off")");
  if (tls.mode == TlsConfig::Mode::off) return;
  if (tls.certificates.empty() && tls.psk.empty())
    return tell(
        tls.place, "tls",
        R"(has nothing to show to clients; add certificates = "/etc/pki/ashlar" or psk = "/etc/ashlar/keys.psk")");
  if (tls.verify_client && tls.certificates.empty())
    tell(tls.verify_client_place, "verify_client",
         "is about clients' certificates, and there are none; add certificates, or take it out");
}

void ConfigReader::read_tls_mode(const TomlEntry& entry, TlsConfig& into) const {
  const std::vector<std::string> modes{"off", "allow", "require"};
  const std::string& text = string(entry.key, entry.node, R"(write mode = "require")");
  const auto mode = index_of(text, modes);
  if (!mode) fail(entry.node.place, entry.key, "no mode " + in_quotes(text) + "; " + did_you_mean(text, modes));
  into.mode = static_cast<TlsConfig::Mode>(*mode);
}

std::filesystem::path ConfigReader::tls_path(const TomlEntry& entry, const char* hint) const {
  const std::string& text = string(entry.key, entry.node, hint);
  if (text.empty()) fail(entry.node.place, entry.key, std::string("is an empty path; ") + hint);
  return (folder_ / text).lexically_normal();
}

void ConfigReader::read_tls_certificates(const TomlEntry& entry, TlsConfig& into) const {
  into.certificates_place = entry.node.place;
  into.certificates = tls_path(entry, R"(write certificates = "/etc/pki/ashlar")");
}

void ConfigReader::read_tls_psk(const TomlEntry& entry, TlsConfig& into) const {
  into.psk_place = entry.node.place;
  into.psk = tls_path(entry, R"(write psk = "/etc/ashlar/keys.psk")");
}

void ConfigReader::read_tls_verify_client(const TomlEntry& entry, TlsConfig& into) const {
  into.verify_client_place = entry.node.place;
  into.verify_client = boolean(entry);
}

void ConfigReader::read_tls_minimum_version(const TomlEntry& entry, TlsConfig& into) const {
  const std::vector<std::string> versions{"1.2", "1.3"};
  const std::string& text = string(entry.key, entry.node, R"(write minimum_version = "1.2" or "1.3")");
  const auto version = index_of(text, versions);
  if (!version) fail(entry.node.place, entry.key, "no version " + in_quotes(text) + R"(; write "1.2" or "1.3")");
  into.minimum_version = static_cast<TlsConfig::Version>(*version);
}

void ConfigReader::read_tls_ciphers(const TomlEntry& entry, TlsConfig& into) const {
  constexpr const char* hint = R"(write suites with colons between, such as "TLS_AES_128_GCM_SHA256:ECDHE+AESGCM")";
  into.ciphers_place = entry.node.place;
  into.ciphers = string(entry.key, entry.node, hint);
  if (into.ciphers.empty()) fail(entry.node.place, entry.key, std::string("is empty; ") + hint);
}

void ConfigReader::read_tls_of_export(const TomlEntry& entry, ExportConfig& into) const {
  constexpr const char* hint = R"(write tls = "require", or take it out)";
  const std::string& text = string(entry.key, entry.node, hint);
  if (text != "require") fail(entry.node.place, entry.key, in_quotes(text) + " is not known here; " + hint);
  into.tls_required = true;
  into.tls_place = entry.node.place;
}

void ConfigReader::check_tls_of(const ExportConfig& own, const TlsConfig& tls) const {
  if (own.tls_required && tls.mode == TlsConfig::Mode::off && !tls.flawed)
    tell(own.tls_place, "tls",
         std::string("the server has no TLS, so nobody could open the export; below [server] ") + example);
}

}  // namespace ashlar::host
