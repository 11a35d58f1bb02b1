// OpenSSL's objects with owners, and its errors in words.
#pragma once
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace ashlar::host {

template <auto free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
// With what is in them.
inline void free_certificates(STACK_OF(X509) * all) { sk_X509_pop_free(all, ::X509_free); }
inline void free_lists(STACK_OF(X509_CRL) * all) { sk_X509_CRL_pop_free(all, ::X509_CRL_free); }
inline void free_names(STACK_OF(X509_NAME) * all) { sk_X509_NAME_pop_free(all, ::X509_NAME_free); }
using BioPtr = std::unique_ptr<BIO, OpensslFree<::BIO_free_all>>;
using BioMethodPtr = std::unique_ptr<BIO_METHOD, OpensslFree<::BIO_meth_free>>;
using CertificatePtr = std::unique_ptr<X509, OpensslFree<::X509_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, OpensslFree<::X509_CRL_free>>;
using CertificatesPtr = std::unique_ptr<STACK_OF(X509), OpensslFree<free_certificates>>;
using CrlsPtr = std::unique_ptr<STACK_OF(X509_CRL), OpensslFree<free_lists>>;
using NamePtr = std::unique_ptr<X509_NAME, OpensslFree<::X509_NAME_free>>;
using NamesPtr = std::unique_ptr<STACK_OF(X509_NAME), OpensslFree<free_names>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<::EVP_PKEY_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslFree<::SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslFree<::SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, OpensslFree<::SSL_SESSION_free>>;

// Why the last call of this thread failed, in OpenSSL's words; forgets all its errors. [any thread]
std::string openssl_error();

// Throws std::bad_alloc for a call that fails only for want of memory, when `result` says so.
template <class T>
T* or_bad_alloc(T* result) {
  if (result == nullptr) throw std::bad_alloc();
  return result;
}

// To read from `text`, which outlives it.
BioPtr bio_over(const std::string& text);

// What has been written to `out`, which is in memory.
std::string text_of(BIO* out);

// For what is read from PEM: nobody can be asked for the password of a key.
int no_password(char*, int, int, void*);

// The name as RFC 4514 writes it, in UTF-8.
std::string distinguished_name(const X509_NAME* name);

// Whether it is a suite of TLS 1.2 for users' keys.
bool is_for_keys(const SSL_CIPHER* suite);

// A time in words: "2026-11-26 22:31:58 UTC".
std::string time_text(const ASN1_TIME* time);

}  // namespace ashlar::host
