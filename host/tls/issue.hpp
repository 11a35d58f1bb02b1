// Makes an authority's certificate, and certificates of it, as texts in PEM.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <string>
#include <vector>

namespace ashlar::host {

struct PemPair {
  std::string certificate;
  std::string key;
};

// Whom a certificate is for.
struct Subject {
  enum class Kind { server, client };

  Kind kind = Kind::client;
  std::string name;                // its CN, 1 to 64 bytes of UTF-8
  std::vector<std::string> hosts;  // a server's: names and addresses that clients reach it by
};

// A new authority, which signs certificates for `days` from now on. Throws std::runtime_error when OpenSSL fails.
PemPair make_authority(const std::string& name, int days);

// Why `authority` cannot sign, in words that follow "the CA "; empty: it can.
std::string authority_fault(const PemPair& authority);

// When `certificate`, which is good, ends, if that is within `days` from now; else empty.
std::string end_within(const std::string& certificate, int days);

// A new key, and a certificate of `authority`, which has no fault, for it; good for `days` from now on. Throws
// std::runtime_error when OpenSSL fails.
PemPair issue(const PemPair& authority, const Subject& subject, int days);

// The subject's name as a rule on `dn` has it.
std::string name_of_certificate(const std::string& certificate);

// The names and addresses that clients reach the server of this certificate by; empty: it has none.
std::vector<std::string> hosts_of_certificate(const std::string& certificate);

// `count` bytes of chance. Throws std::runtime_error when there are none to be had.
std::vector<unsigned char> random_bytes(std::size_t count);

// Whether `text` is a numeric address of IPv4 or IPv6.
inline bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> ignored;
  return ::inet_pton(AF_INET, text.c_str(), ignored.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), ignored.data()) == 1;
}

}  // namespace ashlar::host
