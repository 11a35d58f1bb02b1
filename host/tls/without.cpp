// A build without OpenSSL.
#include "tls/tls.hpp"

namespace ashlar::host {

std::unique_ptr<Tls> make_tls(const Config& config, std::vector<std::string>&) {
  const TlsConfig& tls = config.server.tls;
  if (tls.mode == TlsConfig::Mode::off || tls.flawed) return nullptr;
  throw ConfigError(
      config.file, tls.place,
      "key \"tls\": this program was built without TLS; build it where OpenSSL's headers are (libssl-dev), "
      "or write mode = \"off\"");
}

}  // namespace ashlar::host
