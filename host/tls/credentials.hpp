// Credentials: what the server shows to clients and wants of them, made of the files that the config names.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "tls/certificates.hpp"
#include "tls/judge.hpp"
#include "tls/openssl.hpp"
#include "tls/psk_file.hpp"

namespace ashlar::host {

// Does not change once it is made; connections that have begun with it go on with it.
class Credentials {
 public:
  // Reads the files of config.server.tls. Throws ConfigError, with every mistake that can be found; what is no mistake
  // but should be known is added to `warnings`. [any thread]
  static std::shared_ptr<const Credentials> read(const Config& config, std::vector<std::string>& warnings);

  // For one connection, which keeps the credentials, and `claims`, as long as this.
  SslPtr make_ssl(Claims& claims) const;
  // Whether clients must have a certificate, unless they have a key.
  bool verifies_clients() const { return verifies_clients_; }
  // Whether there is a key of that user.
  bool knows_user(std::string_view user) const { return keys_.find(user) != keys_.end(); }

 private:
  Credentials() = default;
  void make_context(const TlsConfig& config);
  void add_certificates(const TlsConfig& config, std::vector<std::string>& warnings);
  void trust(Certificates& found, const TlsConfig& config, std::vector<std::string>& warnings);
  void pin(std::vector<CertificatePtr> own);
  void add_keys(PskFile file);
  void choose_ciphers(const std::string& wanted, std::vector<std::string>& warnings);
  void order_ciphers();
  static const PskKey* key_of(std::string_view user, SSL* ssl);

  static int verify(X509_STORE_CTX* store, void* self);
  static int find_session(SSL* ssl, const unsigned char* user, std::size_t length, SSL_SESSION** found);
  static unsigned find_key(SSL* ssl, const char* user, unsigned char* key, unsigned room);

  SslContextPtr context_;
  std::vector<CertificatePtr> pinned_;
  PskKeys keys_;
  bool verifies_clients_ = false;
};

}  // namespace ashlar::host
