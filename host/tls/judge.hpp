// What OpenSSL asks when it has found something wrong with a client's certificate, and what is noted of it.
#pragma once
#include <string>

#include "tls/openssl.hpp"

namespace ashlar::host {

// Who a client says it is in its handshake, proved or not. An SSL of Credentials has one as its app data.
struct Claims {
  std::string user;            // whose key it has asked for last
  bool user_is_known = false;  // there is such a key
  std::string refused;         // the name of the certificate that was found bad
};

// For SSL_CTX_set_verify(3): whether to go on. Of a bad certificate the name is noted in the Claims.
int judge_certificate(int well, X509_STORE_CTX* store);

}  // namespace ashlar::host
