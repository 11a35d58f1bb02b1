#include "tls/openssl.hpp"

#include <openssl/err.h>

#include <array>
#include <ctime>
#include <new>

namespace ashlar::host {

std::string openssl_error() {
  const unsigned long code = ::ERR_peek_last_error();
  std::string text = "unknown error";
  if (ERR_SYSTEM_ERROR(code)) text = std::string("system error ") + std::to_string(ERR_GET_REASON(code));
  else if (const char* reason = ::ERR_reason_error_string(code)) text = reason;
  ::ERR_clear_error();
  return text;
}

BioPtr bio_over(const std::string& text) {
  return BioPtr(or_bad_alloc(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
}

std::string text_of(BIO* out) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

int no_password(char*, int, int, void*) { return -1; }

std::string distinguished_name(const X509_NAME* name) {
  const BioPtr out(or_bad_alloc(::BIO_new(::BIO_s_mem())));
  // All of RFC 2253's flags but the one that escapes UTF-8.
  ::X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  return text_of(out.get());
}

bool is_for_keys(const SSL_CIPHER* suite) {
  const int exchange = ::SSL_CIPHER_get_kx_nid(suite);
  return exchange == NID_kx_psk || exchange == NID_kx_dhe_psk || exchange == NID_kx_ecdhe_psk ||
         exchange == NID_kx_rsa_psk;
}

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (::ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown time";
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

}  // namespace ashlar::host
