#include "tls/judge.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <exception>
#include <optional>

namespace ashlar::host {
namespace {

// What OpenSSL is at: a certificate of the chain, and what has issued it.
struct Judged {
  X509* certificate;
  X509* issuer;  // null: it is the end of the chain, trusted although what has issued it is not in ca-cert.pem
};

Judged judged_at(const X509_STORE_CTX* store) {
  const STACK_OF(X509)* const chain = ::X509_STORE_CTX_get0_chain(store);
  const int depth = ::X509_STORE_CTX_get_error_depth(store);
  X509* const certificate = sk_X509_value(chain, depth);
  if (depth + 1 < sk_X509_num(chain)) return {certificate, sk_X509_value(chain, depth + 1)};
  const bool is_self_signed = (::X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;
  return {certificate, is_self_signed ? certificate : nullptr};
}

bool has_signed(const X509* authority, X509_CRL* list) {
  const bool well = ::X509_CRL_verify(list, ::X509_get0_pubkey(authority)) == 1;
  ::ERR_clear_error();
  return well;
}

bool is_now_valid(const X509_CRL* list) {
  const ASN1_TIME* const until = ::X509_CRL_get0_nextUpdate(list);
  return ::X509_cmp_current_time(::X509_CRL_get0_lastUpdate(list)) < 0 &&
         (until == nullptr || ::X509_cmp_current_time(until) > 0);
}

// Whether the list is one of another authority of ca-cert.pem that has the issuer's name. There are two of a name when
// one goes on with a new key.
bool is_of_namesake(X509_STORE_CTX* store, X509_CRL* list, const X509* issuer) {
  if (list == nullptr || has_signed(issuer, list)) return false;
  const CertificatesPtr same_name(::X509_STORE_CTX_get1_certs(store, ::X509_get_subject_name(issuer)));
  for (int i = 0; i < sk_X509_num(same_name.get()); ++i)
    if (has_signed(sk_X509_value(same_name.get(), i), list)) return true;
  return false;
}

// What is wrong with a certificate by the lists that its own issuer has signed, X509_V_OK if nothing; none: there are
// no such lists.
std::optional<int> fault_by_own_lists(X509_STORE_CTX* store, const Judged& judged) {
  const CrlsPtr lists(::X509_STORE_CTX_get1_crls(store, ::X509_get_subject_name(judged.issuer)));
  bool has_own = false, has_valid = false;
  for (int i = 0; i < sk_X509_CRL_num(lists.get()); ++i) {
    X509_CRL* const list = sk_X509_CRL_value(lists.get(), i);
    if (!has_signed(judged.issuer, list)) continue;
    has_own = true;
    has_valid = has_valid || is_now_valid(list);
    X509_REVOKED* entry = nullptr;
    if (::X509_CRL_get0_by_cert(list, &entry, judged.certificate) == 1) return X509_V_ERR_CERT_REVOKED;
  }
  if (!has_own) return std::nullopt;
  return has_valid ? X509_V_OK : X509_V_ERR_CRL_HAS_EXPIRED;
}

// Whether a fault of a list is none of the certificate's. A list holds for those that its authority has signed, but
// OpenSSL goes by that one's name.
bool is_no_fault_of_its_own(X509_STORE_CTX* store, int error) {
  // It is no fault that an authority's key usage does not name the signing of lists: certtool makes such authorities
  // and lists, and GnuTLS takes them.
  if (error == X509_V_ERR_KEYUSAGE_NO_CRL_SIGN) return true;
  // OpenSSL passes over lists, also those of the issuer: of some reasons only, or such as name another certificate of
  // the same key.
  const bool has_found_none = error == X509_V_ERR_UNABLE_TO_GET_CRL;
  const bool is_of_list = has_found_none || error == X509_V_ERR_CRL_SIGNATURE_FAILURE ||
                          error == X509_V_ERR_CRL_NOT_YET_VALID || error == X509_V_ERR_CRL_HAS_EXPIRED ||
                          error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER;
  if (!is_of_list) return false;
  const Judged judged = judged_at(store);
  // Nobody can tell whether the list is of its issuer. Whom it revokes was not trusted when the files were read.
  if (judged.issuer == nullptr) return true;
  const std::optional<int> fault = fault_by_own_lists(store, judged);
  // Whom an authority without a list has signed is let in.
  if (!fault) return has_found_none || is_of_namesake(store, ::X509_STORE_CTX_get0_current_crl(store), judged.issuer);
  ::X509_STORE_CTX_set_error(store, *fault);
  return *fault == X509_V_OK;
}

}  // namespace

int judge_certificate(int well, X509_STORE_CTX* store) {
  if (well != 0) return well;
  if (is_no_fault_of_its_own(store, ::X509_STORE_CTX_get_error(store))) return 1;
  try {
    auto* const ssl = static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
    Claims& claims = *static_cast<Claims*>(SSL_get_app_data(ssl));
    if (X509* bad = ::X509_STORE_CTX_get_current_cert(store))
      claims.refused = distinguished_name(::X509_get_subject_name(bad));
  } catch (const std::exception&) {
    // Without memory it is refused without a name.
  }
  return 0;
}

}  // namespace ashlar::host
