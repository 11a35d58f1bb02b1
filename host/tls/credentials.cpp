#include "tls/credentials.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include "config/text.hpp"
#include "tls/judge.hpp"

namespace ashlar::host {
namespace {

// The cheapest of TLS 1.3 where processors know AES, and of SHA-256, as keys of users need it.
constexpr std::string_view preferred = "TLS_AES_128_GCM_SHA256";
constexpr unsigned char preferred_id[] = {0x13, 0x01};  // RFC 8446, B.4

// A connection is set up once and then used for hours: a resumed one would save little, and would have to be looked at
// for who was revoked since. So there are no tickets and no cache of sessions.
constexpr std::uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;

// Whether the authority that has signed each of them is among them.
bool all_have_issuers(const std::vector<CertificatePtr>& authorities) {
  return std::ranges::all_of(authorities, [&](const CertificatePtr& one) {
    return std::ranges::any_of(authorities, [&](const CertificatePtr& other) {
      return has_name(other.get(), ::X509_get_issuer_name(one.get()));
    });
  });
}

// OpenSSL takes nothing that too weak a key has signed, nor a certificate of it. `level`: of its policy, see
// SSL_CTX_set_security_level(3).
void refuse_weak(const Certificates& found, const std::filesystem::path& file, int level,
                 std::vector<std::string>& warnings) {
  constexpr std::array least{0, 80, 112, 128, 192, 256};  // bits
  const int wanted = least.at(static_cast<std::size_t>(std::clamp<int>(level, 0, least.size() - 1)));
  std::vector<std::string> weak;
  const auto look_at = [&](const CertificatePtr& one) {
    const EVP_PKEY* const key = ::X509_get0_pubkey(one.get());
    if (::EVP_PKEY_get_security_bits(key) >= wanted) return;
    weak.push_back(distinguished_name(::X509_get_subject_name(one.get())) + " has a key of " +
                   std::to_string(::EVP_PKEY_get_bits(key)) + " bits, which is too weak for OpenSSL's policy here");
  };
  std::ranges::for_each(found.authorities, look_at);
  std::ranges::for_each(found.pinned, look_at);
  if (weak.size() == found.authorities.size() + found.pinned.size() && !found.may_let_in_nobody)
    throw FileError(file, weak.front() + ", so no client would get in; make a new one");
  for (const std::string& one : weak)
    warnings.push_back(file.string() + ": " + one + ", and lets in no client; make a new one");
}

// The names by which clients choose the certificate that they show. GnuTLS's show none that another has issued.
void tell_names(SSL_CTX* context, const Certificates& found) {
  NamesPtr names(or_bad_alloc(sk_X509_NAME_new_null()));
  const auto add = [&](const X509_NAME* name) {
    for (int i = 0; i < sk_X509_NAME_num(names.get()); ++i)
      if (::X509_NAME_cmp(sk_X509_NAME_value(names.get(), i), name) == 0) return;
    NamePtr copy(or_bad_alloc(::X509_NAME_dup(name)));
    if (sk_X509_NAME_push(names.get(), copy.get()) == 0) throw std::bad_alloc();
    copy.release();
  };
  for (const CertificatePtr& one : found.authorities)
    if (::X509_check_ca(one.get()) != 0) add(::X509_get_subject_name(one.get()));
  for (const CertificatePtr& one : found.pinned) {
    add(::X509_get_subject_name(one.get()));
    add(::X509_get_issuer_name(one.get()));
  }
  ::SSL_CTX_set_client_CA_list(context, names.release());
}

// Whether the kernel can encrypt what a tcp socket sends. (Linux, Documentation/networking/tls.rst)
bool kernel_has_tls() {
  std::ifstream in("/proc/sys/net/ipv4/tcp_available_ulp");
  for (std::string name; in >> name;)
    if (name == "tls") return true;
  return false;
}

void append_name(std::string& list, std::string_view name, bool in_front = false) {
  if (list.empty()) list = name;
  else list = in_front ? std::string(name) + ":" + list : list + ":" + std::string(name);
}

// Whether a part of a list of ciphers takes out or moves some, or sets something.
bool is_word_to_openssl(std::string_view part) { return std::strchr("!-+@", part.front()) != nullptr; }

// Whether a part of a list of ciphers adds none. OpenSSL passes over a name that it does not know without a word, so a
// misspelled suite would be left out unnoticed. What takes out, moves or sets need not find anything.
bool adds_no_cipher(const std::string& part) {
  if (part.empty() || is_word_to_openssl(part)) return false;
  const SslContextPtr alone(or_bad_alloc(::SSL_CTX_new(::TLS_server_method())));
  const bool adds = ::SSL_CTX_set_cipher_list(alone.get(), part.c_str()) == 1;
  ::ERR_clear_error();
  return !adds;
}

[[noreturn]] void fail(const Config& config, Place place, const char* key, const std::string& what) {
  throw ConfigError(config.file, place, "key " + in_quotes(key) + ": " + what);
}

PskFile read_keys(const Config& config, std::vector<std::string>& warnings) {
  const TlsConfig& tls = config.server.tls;
  std::string text;
  try {
    text = read_small_file(tls.psk, true, warnings);
  } catch (const FileError& e) {
    fail(config, tls.psk_place, "psk", e.what());
  }
  PskFile file = parse_psk_file(text, tls.psk);
  ::OPENSSL_cleanse(text.data(), text.size());
  if (file.keys.empty())
    fail(config, tls.psk_place, "psk", tls.psk.string() + ": has no user; add lines such as alice:HEXKEY");
  for (const std::string& user : file.short_keys)
    warnings.push_back(tls.psk.string() + ": the key of " + in_quotes(user) +
                       " has less than 16 bytes; make a longer one");
  return file;
}

bool is_for_certificates(const SSL_CIPHER* suite) {
  if (is_for_keys(suite)) return false;
  const int by = ::SSL_CIPHER_get_auth_nid(suite);
  return by == NID_auth_rsa || by == NID_auth_ecdsa || by == NID_auth_dss;
}

// Whether a server with this key can use a suite of TLS 1.2. Those of ECDSA are for Ed25519, too (RFC 8422, 5.10).
bool fits_key(const SSL_CIPHER* suite, const EVP_PKEY* key) {
  const int by = ::SSL_CIPHER_get_auth_nid(suite), kind = ::EVP_PKEY_get_base_id(key);
  const bool is_rsa = kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS, is_dsa = kind == EVP_PKEY_DSA;
  if (by == NID_auth_rsa) return is_rsa;
  return by == NID_auth_dss ? is_dsa : !is_rsa && !is_dsa;
}

// What the suites of the config keep out. Throws std::invalid_argument when that is everybody.
void check_suites(SSL_CTX* context, const TlsConfig& tls, std::vector<std::string>& warnings) {
  const bool has_new = SSL_CTX_get_max_proto_version(context) != TLS1_2_VERSION;
  const bool has_old = SSL_CTX_get_min_proto_version(context) < TLS1_3_VERSION;
  const EVP_PKEY* const key = ::SSL_CTX_get0_privatekey(context);  // null: there is none, or a mistake in it
  bool keys = false, certificates = false, old_certificates = false, old_unfit = false;
  const STACK_OF(SSL_CIPHER)* all = ::SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* const one = sk_SSL_CIPHER_value(all, i);
    const std::string_view name = ::SSL_CIPHER_get_name(one);
    const bool is_new = name.starts_with("TLS_");
    if (is_new ? !has_new : !has_old) continue;
    const bool is_plain = ::SSL_CIPHER_get_cipher_nid(one) == NID_undef;
    const bool is_anonymous = ::SSL_CIPHER_get_auth_nid(one) == NID_auth_null;
    if (is_plain || is_anonymous) {
      if (SSL_CTX_get_security_level(context) > 0) continue;  // OpenSSL does not use it then
      throw std::invalid_argument("the suite " + std::string(name) +
                                  (is_plain ? " does not encrypt; add !eNULL" : " lets anybody in; add !aNULL"));
    }
    keys = keys || (is_new ? name.ends_with("_SHA256") : is_for_keys(one));
    const bool is_old_one = !is_new && is_for_certificates(one), fits = key == nullptr || is_new || fits_key(one, key);
    certificates = certificates || is_new || (is_old_one && fits);
    old_certificates = old_certificates || (is_old_one && fits);
    old_unfit = old_unfit || (is_old_one && !fits);
  }
  const std::string whole = in_quotes(tls.ciphers);
  if ((tls.psk.empty() || !keys) && (tls.certificates.empty() || !certificates))
    throw std::invalid_argument(whole + " lets nobody in; add " + std::string(preferred));
  if (!tls.psk.empty() && !keys)
    warnings.push_back("ciphers = " + whole +
                       " has no suite that the keys of psk can go with (of TLS 1.3, one of SHA-256); add " +
                       std::string(preferred));
  if (!tls.certificates.empty() && !certificates)
    warnings.push_back("ciphers = " + whole + " has no suite that certificates can go with; add " +
                       std::string(preferred));
  if (!tls.certificates.empty() && old_unfit && !old_certificates)
    warnings.push_back("ciphers = " + whole + " has no suite of TLS 1.2 that the server's key, which is of " +
                       ::EVP_PKEY_get0_type_name(key) + ", can go with");
}

}  // namespace

std::shared_ptr<const Credentials> Credentials::read(const Config& config, std::vector<std::string>& warnings) {
  const TlsConfig& tls = config.server.tls;
  const std::shared_ptr<Credentials> made(new Credentials);
  made->make_context(tls);
  Mistakes mistakes;
  const auto about_ciphers = [&](const auto& what) {
    if (tls.ciphers.empty()) return;
    try {
      what();
    } catch (const std::invalid_argument& e) {
      fail(config, tls.ciphers_place, "ciphers", e.what());
    }
  };
  bool are_chosen = false;
  mistakes.gather([&] {
    about_ciphers([&] { made->choose_ciphers(tls.ciphers, warnings); });
    are_chosen = true;
  });
  mistakes.gather([&] {
    if (tls.certificates.empty()) return;
    try {
      made->add_certificates(tls, warnings);
    } catch (const FileError& e) {
      fail(config, tls.certificates_place, "certificates", e.what());
    }
  });
  // Once the key is there that they have to fit.
  mistakes.gather([&] {
    if (are_chosen) about_ciphers([&] { check_suites(made->context_.get(), tls, warnings); });
  });
  mistakes.gather([&] {
    if (!tls.psk.empty()) made->add_keys(read_keys(config, warnings));
  });
  mistakes.throw_if_any();
  if (tls.ciphers.empty()) made->order_ciphers();
  return made;
}

void Credentials::make_context(const TlsConfig& config) {
  context_.reset(or_bad_alloc(::SSL_CTX_new(::TLS_server_method())));
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_app_data(context, this);
  ::SSL_CTX_set_options(context, options);
  if (kernel_has_tls()) ::SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // OpenSSL takes a user's key for a session, and wants every session to have one.
  constexpr unsigned char session_context[] = "ashlar";
  ::SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1);
  ::SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_dh_auto(context, 1);
  // A stricter minimum of the system's policy stays.
  const int wanted = config.minimum_version == TlsConfig::Version::tls1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (SSL_CTX_get_min_proto_version(context) < wanted) SSL_CTX_set_min_proto_version(context, wanted);
  ::SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
}

void Credentials::add_certificates(const TlsConfig& config, std::vector<std::string>& warnings) {
  const std::filesystem::path own = config.certificates / "server-cert.pem";
  verifies_clients_ = config.verify_client.value_or(true);
  Certificates found = read_certificates(config.certificates, verifies_clients_, warnings);
  SSL_CTX* const context = context_.get();
  if (::SSL_CTX_use_certificate(context, found.chain.front().get()) != 1) throw FileError(own, openssl_error());
  for (std::size_t i = 1; i < found.chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(context, found.chain[i].get()) != 1) throw FileError(own, openssl_error());
  if (::SSL_CTX_use_PrivateKey(context, found.key.get()) != 1)
    throw FileError(config.certificates / "server-key.pem", openssl_error());

  if (verifies_clients_) trust(found, config, warnings);
  // What server-cert.pem lacks between its certificate and the authority is looked for now, not in each handshake.
  if (found.chain.size() == 1)
    SSL_CTX_build_cert_chain(
        context, SSL_BUILD_CHAIN_FLAG_NO_ROOT | SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR | SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
  ::ERR_clear_error();
}

// Lets in clients that an authority's certificate vouches for, and no others.
void Credentials::trust(Certificates& found, const TlsConfig& config, std::vector<std::string>& warnings) {
  SSL_CTX* const context = context_.get();
  X509_STORE* const store = ::SSL_CTX_get_cert_store(context);
  for (const CertificatePtr& one : found.authorities) {
    if (::X509_check_ca(one.get()) == 0) continue;  // else it would be trusted as a client's own
    ::X509_STORE_add_cert(store, one.get());
  }
  refuse_weak(found, config.certificates / "ca-cert.pem", SSL_CTX_get_security_level(context), warnings);
  tell_names(context, found);
  // What stands in the file is trusted, also without the authority that has signed it. Where that is there, too, chains
  // go on to it, as it may have revoked the one below.
  if (!all_have_issuers(found.authorities)) ::X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  for (const CrlPtr& one : found.revoked) ::X509_STORE_add_crl(store, one.get());
  if (!found.revoked.empty()) ::X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  pin(std::move(found.pinned));
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, judge_certificate);
}

// Lets in who has one of these certificates itself, as GnuTLS does.
void Credentials::pin(std::vector<CertificatePtr> own) {
  for (const CertificatePtr& one : own) ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context_.get()), one.get());
  pinned_ = std::move(own);
  ::SSL_CTX_set_cert_verify_callback(context_.get(), verify, this);
}

int Credentials::verify(X509_STORE_CTX* store, void* self) {
  const X509* const own = ::X509_STORE_CTX_get0_cert(store);
  const bool is_pinned = std::ranges::any_of(static_cast<const Credentials*>(self)->pinned_,
                                             [&](const auto& one) { return ::X509_cmp(one.get(), own) == 0; });
  if (is_pinned) {
    // It stands for itself: without a chain to an authority, and so without a list of one. Whether one revokes it was
    // looked at when the files were read.
    X509_VERIFY_PARAM* const how = ::X509_STORE_CTX_get0_param(store);
    ::X509_VERIFY_PARAM_clear_flags(how, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    ::X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_PARTIAL_CHAIN);
    ::X509_STORE_CTX_set0_untrusted(store, nullptr);
  }
  return ::X509_verify_cert(store);
}

void Credentials::add_keys(PskFile file) {
  keys_ = std::move(file.keys);
  ::SSL_CTX_set_psk_find_session_callback(context_.get(), find_session);
  ::SSL_CTX_set_psk_server_callback(context_.get(), find_key);
}

// What is TLS 1.3's and what is older are two lists to OpenSSL, and one to who writes the config.
void Credentials::choose_ciphers(const std::string& wanted, std::vector<std::string>& warnings) {
  std::string suites, older;
  bool has_older = false;  // rather than only words to OpenSSL, such as @SECLEVEL=1, which need a suite to stand by
  std::vector<std::string> unknown;
  std::string_view rest = wanted;
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const bool is_old = !one.starts_with("TLS_");
    append_name(is_old ? older : suites, one);
    has_older = has_older || (is_old && !one.empty() && !is_word_to_openssl(one));
    if (is_old && adds_no_cipher(std::string(one))) unknown.push_back(in_quotes(one));
  }
  SSL_CTX* const context = context_.get();
  ::ERR_clear_error();
  if (!suites.empty() && ::SSL_CTX_set_ciphersuites(context, suites.c_str()) != 1)
    throw std::invalid_argument(in_quotes(suites) + ": " + openssl_error() +
                                "; see: openssl ciphers -s -tls1_3 (and take out the older ones)");
  // Of all TLS 1.3 uses none.
  const std::string list = older.empty() || has_older ? older : "ALL:" + older;
  if (!list.empty() && ::SSL_CTX_set_cipher_list(context, list.c_str()) != 1)
    throw std::invalid_argument(in_quotes(older) + ": " + openssl_error() + "; see: openssl ciphers -s");
  for (const std::string& one : unknown)
    warnings.push_back("ciphers: " + one +
                       " names no suite that OpenSSL has here, and is left out; see: openssl ciphers -s");
  if (!has_older) SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (!suites.empty()) return;
  if (SSL_CTX_get_min_proto_version(context) >= TLS1_3_VERSION)
    throw std::invalid_argument(in_quotes(wanted) + " has no suite of TLS 1.3, which is the minimum; add " +
                                std::string(preferred));
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  warnings.push_back("ciphers = " + in_quotes(wanted) + " has no suite of TLS 1.3, which nobody can use then; add " +
                     std::string(preferred));
}

// The system's choice, with the preferred suite first. Of the older ones those with users' keys come first: only a
// client that has a key offers them, and one that offers certificates' as well may have none. Of these, too, the ones
// that keep secret what was said when a key is stolen later go before the others; those that encrypt with the server's
// certificate are left out.
void Credentials::order_ciphers() {
  std::string suites, quick, slow, plain, others;
  const STACK_OF(SSL_CIPHER)* all = ::SSL_CTX_get_ciphers(context_.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* const one = sk_SSL_CIPHER_value(all, i);
    const std::string_view name = ::SSL_CIPHER_get_name(one);
    if (name.starts_with("TLS_")) {
      append_name(suites, name, name == preferred);
      continue;
    }
    switch (::SSL_CIPHER_get_kx_nid(one)) {
      case NID_kx_ecdhe_psk: append_name(quick, name); break;
      case NID_kx_dhe_psk: append_name(slow, name); break;
      case NID_kx_psk: append_name(plain, name); break;
      case NID_kx_rsa_psk: break;
      default: append_name(others, name);
    }
  }
  std::string older;
  for (const std::string& part : {quick, slow, plain, others})
    if (!part.empty()) append_name(older, part);
  if (!suites.empty()) ::SSL_CTX_set_ciphersuites(context_.get(), suites.c_str());
  if (!older.empty()) ::SSL_CTX_set_cipher_list(context_.get(), older.c_str());
}

SslPtr Credentials::make_ssl(Claims& claims) const {
  SslPtr ssl(or_bad_alloc(::SSL_new(context_.get())));
  SSL_set_app_data(ssl.get(), &claims);
  ::SSL_set_accept_state(ssl.get());
  return ssl;
}

// The key of `user`, which is noted as asked for; null: there is none.
const PskKey* Credentials::key_of(std::string_view user, SSL* ssl) {
  const auto* const self = static_cast<const Credentials*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(ssl)));
  const auto found = self->keys_.find(user);
  Claims& claims = *static_cast<Claims*>(SSL_get_app_data(ssl));
  claims.user = user.substr(0, longest_psk_name);
  claims.user_is_known = found != self->keys_.end();
  return claims.user_is_known ? &found->second : nullptr;
}

// TLS 1.3. A user who is not known may still have a certificate.
int Credentials::find_session(SSL* ssl, const unsigned char* user, std::size_t length, SSL_SESSION** found) {
  *found = nullptr;
  try {
    const PskKey* const key = key_of({reinterpret_cast<const char*>(user), length}, ssl);
    if (key == nullptr) return 1;
    SslSessionPtr session(or_bad_alloc(::SSL_SESSION_new()));
    const SSL_CIPHER* const cipher = ::SSL_CIPHER_find(ssl, preferred_id);
    if (cipher == nullptr || ::SSL_SESSION_set1_master_key(session.get(), key->data(), key->size()) != 1 ||
        ::SSL_SESSION_set_cipher(session.get(), cipher) != 1 ||
        ::SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) != 1)
      return 0;
    *found = session.release();
    return 1;
  } catch (const std::exception&) {
    return 0;
  }
}

// TLS 1.2.
unsigned Credentials::find_key(SSL* ssl, const char* user, unsigned char* key, unsigned room) {
  try {
    const PskKey* const found = key_of(user, ssl);
    if (found == nullptr || found->size() > room) return 0;
    std::memcpy(key, found->data(), found->size());
    return static_cast<unsigned>(found->size());
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace ashlar::host
