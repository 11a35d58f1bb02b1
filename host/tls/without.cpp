// A build without OpenSSL.
#include <stdexcept>

#include "tls/issue.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {

std::string lack_of_tls() {
  return "this program was built without TLS; build it where OpenSSL's headers are (libssl-dev)";
}

std::unique_ptr<Tls> make_tls(const Config& config, std::vector<std::string>&) {
  const TlsConfig& tls = config.server.tls;
  if (tls.mode == TlsConfig::Mode::off || tls.flawed) return nullptr;
  throw ConfigError(config.file, tls.place, "key \"tls\": " + lack_of_tls() + ", or write mode = \"off\"");
}

namespace {

[[noreturn]] void refuse() { throw std::runtime_error("certs: " + lack_of_tls()); }

}  // namespace

PemPair make_authority(const std::string&, int) { refuse(); }
std::string authority_fault(const PemPair&) { refuse(); }
std::string end_within(const std::string&, int) { refuse(); }
PemPair issue(const PemPair&, const Subject&, int) { refuse(); }
std::string name_of_certificate(const std::string&) { refuse(); }
std::vector<std::string> hosts_of_certificate(const std::string&) { refuse(); }
std::vector<unsigned char> random_bytes(std::size_t) { refuse(); }

}  // namespace ashlar::host
