#include "tls/issue.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <stdexcept>

#include "tls/openssl.hpp"

namespace ashlar::host {
namespace {

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslFree<::X509_EXTENSION_free>>;

constexpr const char* organization = "ashlar";
constexpr long back = -3600;  // s: clocks of clients may be behind

void check(int well, const char* what) {
  if (well <= 0) throw std::runtime_error(std::string("cannot make a certificate: ") + what + ": " + openssl_error());
}

template <class T>
T* check(T* made, const char* what) {
  check(made != nullptr ? 1 : 0, what);
  return made;
}

PemPair to_pem(X509* certificate, EVP_PKEY* key) {
  const BioPtr certificate_out(or_bad_alloc(::BIO_new(::BIO_s_mem())));
  check(::PEM_write_bio_X509(certificate_out.get(), certificate), "writing it");
  const BioPtr key_out(or_bad_alloc(::BIO_new(::BIO_s_mem())));
  check(::PEM_write_bio_PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr), "writing its key");
  return {text_of(certificate_out.get()), text_of(key_out.get())};
}

CertificatePtr certificate_of(const std::string& pem) {
  return CertificatePtr(::PEM_read_bio_X509(bio_over(pem).get(), nullptr, no_password, nullptr));
}

KeyPtr key_of(const std::string& pem) {
  return KeyPtr(::PEM_read_bio_PrivateKey(bio_over(pem).get(), nullptr, no_password, nullptr));
}

// Elliptic: a handshake costs the server a tenth of what RSA does.
KeyPtr make_key() { return KeyPtr(check(EVP_EC_gen("P-256"), "a key")); }

void set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes;
  check(::RAND_bytes(bytes.data(), bytes.size()), "a serial number");
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, and of this length
  BIGNUM* const number = or_bad_alloc(::BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  const bool well = ::BN_to_ASN1_INTEGER(number, ::X509_get_serialNumber(certificate)) != nullptr;
  ::BN_free(number);
  check(well ? 1 : 0, "a serial number");
}

void add(X509_NAME* name, const char* field, const std::string& value) {
  check(::X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                     static_cast<int>(value.size()), -1, 0),
        "a name");
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr made(check(::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()), value.c_str()));
  check(::X509_add_ext(certificate, made.get(), -1), "an extension");
}

// A certificate but for its extensions and signature.
CertificatePtr begin(const std::string& name, EVP_PKEY* key, int days) {
  CertificatePtr made(or_bad_alloc(::X509_new()));
  check(::X509_set_version(made.get(), X509_VERSION_3), "version 3");
  set_serial(made.get());
  check(::X509_gmtime_adj(X509_getm_notBefore(made.get()), back), "a time");
  check(::X509_time_adj_ex(X509_getm_notAfter(made.get()), days, 0, nullptr), "a time");
  X509_NAME* const subject = ::X509_get_subject_name(made.get());
  add(subject, "O", organization);
  add(subject, "CN", name);  // last: so RFC 4514 has it first
  check(::X509_set_pubkey(made.get(), key), "a key");
  return made;
}

std::string alternative_names(const std::vector<std::string>& hosts) {
  std::string names;
  for (const std::string& host : hosts)
    names += (names.empty() ? "" : ",") + std::string(is_address(host) ? "IP:" : "DNS:") + host;
  return names;
}

}  // namespace

PemPair make_authority(const std::string& name, int days) {
  const KeyPtr key = make_key();
  const CertificatePtr made = begin(name, key.get(), days);
  check(::X509_set_issuer_name(made.get(), ::X509_get_subject_name(made.get())), "an issuer");
  extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE");
  extend(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(made.get(), made.get(), NID_subject_key_identifier, "hash");
  check(::X509_sign(made.get(), key.get(), ::EVP_sha256()), "a signature");
  return to_pem(made.get(), key.get());
}

std::string authority_fault(const PemPair& authority) {
  const CertificatePtr certificate = certificate_of(authority.certificate);
  if (!certificate) return "has no good certificate: " + openssl_error();
  const KeyPtr key = key_of(authority.key);
  if (!key) return "has no good key: " + openssl_error();
  if (::X509_check_private_key(certificate.get(), key.get()) != 1) {
    openssl_error();
    return "has a key that does not fit its certificate";
  }
  if (::X509_check_ca(certificate.get()) == 0) return "has a certificate that is none of an authority";
  const ASN1_TIME* const until = ::X509_get0_notAfter(certificate.get());
  if (::X509_cmp_current_time(until) < 0) return "has expired on " + time_text(until);
  return {};
}

std::string end_within(const std::string& certificate, int days) {
  const CertificatePtr read = certificate_of(certificate);
  const ASN1_TIME* const until = ::X509_get0_notAfter(read.get());
  std::time_t then = std::time(nullptr) + std::time_t{days} * 24 * 60 * 60;
  return ::X509_cmp_time(until, &then) < 0 ? time_text(until) : std::string();
}

PemPair issue(const PemPair& authority, const Subject& subject, int days) {
  const CertificatePtr issuer = certificate_of(authority.certificate);
  const KeyPtr issuer_key = key_of(authority.key), key = make_key();
  check(issuer && issuer_key ? 1 : 0, "reading the CA");
  const CertificatePtr made = begin(subject.name, key.get(), days);
  check(::X509_set_issuer_name(made.get(), ::X509_get_subject_name(issuer.get())), "an issuer");
  const bool is_server = subject.kind == Subject::Kind::server;
  extend(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature");
  extend(made.get(), issuer.get(), NID_ext_key_usage, is_server ? "serverAuth" : "clientAuth");
  if (!subject.hosts.empty()) extend(made.get(), issuer.get(), NID_subject_alt_name, alternative_names(subject.hosts));
  extend(made.get(), issuer.get(), NID_subject_key_identifier, "hash");
  extend(made.get(), issuer.get(), NID_authority_key_identifier, "keyid");
  check(::X509_sign(made.get(), issuer_key.get(), ::EVP_sha256()), "a signature");
  return to_pem(made.get(), key.get());
}

std::string name_of_certificate(const std::string& certificate) {
  const CertificatePtr read = certificate_of(certificate);
  if (!read) throw std::runtime_error("cannot read a certificate: " + openssl_error());
  return distinguished_name(::X509_get_subject_name(read.get()));
}

std::vector<std::string> hosts_of_certificate(const std::string& certificate) {
  const CertificatePtr read = certificate_of(certificate);
  std::vector<std::string> hosts;
  auto* const names = static_cast<GENERAL_NAMES*>(
      read ? ::X509_get_ext_d2i(read.get(), NID_subject_alt_name, nullptr, nullptr) : nullptr);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const one = sk_GENERAL_NAME_value(names, i);
    if (one->type != GEN_DNS && one->type != GEN_IPADD) continue;
    const ASN1_STRING* const value = one->type == GEN_DNS ? one->d.dNSName : one->d.iPAddress;
    const std::string bytes(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(value)),
                            static_cast<std::size_t>(::ASN1_STRING_length(value)));
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (one->type == GEN_DNS) hosts.push_back(bytes);
    else if (::inet_ntop(bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size()))
      hosts.emplace_back(text.data());
  }
  ::GENERAL_NAMES_free(names);
  ::ERR_clear_error();
  return hosts;
}

std::vector<unsigned char> random_bytes(std::size_t count) {
  std::vector<unsigned char> chance(count);
  check(::RAND_bytes(chance.data(), static_cast<int>(count)), "a key");
  return chance;
}

}  // namespace ashlar::host
