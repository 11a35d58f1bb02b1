// The folder of certificates, by the names that qemu, libnbd and nbdkit use as well: ca-cert.pem, server-cert.pem,
// server-key.pem, and ca-crl.pem where there are revoked ones.
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tls/openssl.hpp"

namespace ashlar::host {

// What is wrong with a file; what() begins with its path.
class FileError : public std::runtime_error {
 public:
  FileError(const std::filesystem::path& file, const std::string& what)
      : std::runtime_error(file.string() + ": " + what) {}
};

// A file's whole text, of at most 1 MiB. Throws FileError. `is_secret`: when others than its owner and group can read
// it, a warning is added.
std::string read_small_file(const std::filesystem::path& file, bool is_secret, std::vector<std::string>& warnings);

// Whether it is a certificate of `name`, such as another's issuer.
bool has_name(const X509* certificate, const X509_NAME* name);

struct Certificates {
  std::vector<CertificatePtr> chain;        // the server's own first
  KeyPtr key;                               // of it
  std::vector<CertificatePtr> authorities;  // of ca-cert.pem
  std::vector<CertificatePtr> pinned;       // likewise, but clients' own, which stand for themselves
  std::vector<CrlPtr> revoked;
  bool may_let_in_nobody = false;  // rather than that those before go on to count, who were revoked since
};

// Reads the folder and looks whether all of it fits together and is valid now. Where clients are verified, authorities
// and lists of revoked ones as well; else these are not sorted. Throws FileError.
Certificates read_certificates(const std::filesystem::path& folder, bool verifies_clients,
                               std::vector<std::string>& warnings);

}  // namespace ashlar::host
