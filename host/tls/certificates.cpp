#include "tls/certificates.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "config/sandbox_refuses.hpp"
#include "socket/descriptor.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t largest_file = 1u << 20;  // bytes

// Whether the PEM text has ended where a next object was looked for, rather than being broken there.
bool at_end_of_pem() {
  const unsigned long code = ::ERR_peek_last_error();
  const bool ended = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (ended) ::ERR_clear_error();
  return ended;
}

std::vector<CertificatePtr> read_chain(const std::filesystem::path& file, std::vector<std::string>& warnings) {
  const std::string text = read_small_file(file, false, warnings);
  const BioPtr in = bio_over(text);
  std::vector<CertificatePtr> all;
  ::ERR_clear_error();
  while (X509* one = ::PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)) all.emplace_back(one);
  if (!at_end_of_pem()) throw FileError(file, "is no good certificate: " + openssl_error());
  if (all.empty()) throw FileError(file, "has no certificate; wanted one in PEM, BEGIN CERTIFICATE");
  return all;
}

KeyPtr read_key(const std::filesystem::path& file, std::vector<std::string>& warnings) {
  std::string text = read_small_file(file, true, warnings);
  ::ERR_clear_error();
  KeyPtr key(::PEM_read_bio_PrivateKey(bio_over(text).get(), nullptr, no_password, nullptr));
  ::OPENSSL_cleanse(text.data(), text.size());
  if (key) return key;
  if (text.empty() || at_end_of_pem()) throw FileError(file, "has no key; wanted one in PEM, BEGIN PRIVATE KEY");
  const unsigned long code = ::ERR_peek_last_error();
  const bool encrypted = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_BAD_PASSWORD_READ;
  if (encrypted) ::ERR_clear_error();
  throw FileError(file, encrypted ? "is encrypted with a password; store it without, as: openssl pkey -in OLD -out NEW"
                                  : "is no good key: " + openssl_error());
}

std::vector<CrlPtr> read_revoked(const std::filesystem::path& file, std::vector<std::string>& warnings) {
  const std::string text = read_small_file(file, false, warnings);
  const BioPtr in = bio_over(text);
  std::vector<CrlPtr> all;
  ::ERR_clear_error();
  while (X509_CRL* one = ::PEM_read_bio_X509_CRL(in.get(), nullptr, no_password, nullptr)) all.emplace_back(one);
  if (!at_end_of_pem()) throw FileError(file, "is no good list of revoked certificates: " + openssl_error());
  if (all.empty()) throw FileError(file, "has no list of revoked certificates; wanted one in PEM, BEGIN X509 CRL");
  return all;
}

std::string validity_fault(const X509* certificate) {
  const ASN1_TIME* from = ::X509_get0_notBefore(certificate);
  const ASN1_TIME* until = ::X509_get0_notAfter(certificate);
  if (::X509_cmp_current_time(until) < 0) return "has expired on " + time_text(until) + "; renew it";
  if (::X509_cmp_current_time(from) > 0) return "is not valid before " + time_text(from);
  return {};
}

void check_own(const std::filesystem::path& folder, const Certificates& found) {
  const std::filesystem::path file = folder / "server-cert.pem";
  X509* const own = found.chain.front().get();
  if (const std::string fault = validity_fault(own); !fault.empty()) throw FileError(file, fault);
  if (::X509_check_private_key(own, found.key.get()) != 1) {
    ::ERR_clear_error();
    throw FileError(file, "does not fit the key in " + (folder / "server-key.pem").string());
  }
  if (::X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0) != 1)
    throw FileError(file, "is not made for a server of TLS (its key usage says so)");
}

constexpr const char* no_authority = "is no certificate of an authority (it lacks CA:TRUE in basicConstraints)";

// Why nothing that it has signed would be taken; empty: it is good.
std::string authority_fault(X509* certificate) {
  if (const std::string fault = validity_fault(certificate); !fault.empty()) return fault;
  if (::X509_check_ca(certificate) != 0) return {};
  return no_authority;
}

// Whether one of the authorities has issued it.
bool is_issued_by_one(X509* certificate, const std::vector<CertificatePtr>& authorities) {
  const bool is_issued = std::ranges::any_of(authorities, [&](const CertificatePtr& one) {
    return has_name(one.get(), ::X509_get_issuer_name(certificate)) && ::X509_check_ca(one.get()) != 0 &&
           ::X509_verify(certificate, ::X509_get0_pubkey(one.get())) == 1;
  });
  ::ERR_clear_error();
  return is_issued;
}

// Takes out of the authorities what is a client's own certificate, unless one of them has issued it, and so lets it in,
// as long as it does not revoke it.
void set_pinned_apart(Certificates& found) {
  const auto is_pinned = [&](const CertificatePtr& one) {
    return ::X509_check_ca(one.get()) == 0 && ::X509_check_purpose(one.get(), X509_PURPOSE_SSL_CLIENT, 0) == 1 &&
           !is_issued_by_one(one.get(), found.authorities);
  };
  std::vector<bool> pinned;
  for (const CertificatePtr& one : found.authorities) pinned.push_back(is_pinned(one));
  std::vector<CertificatePtr> others;
  for (std::size_t i = 0; i < pinned.size(); ++i)
    (pinned[i] ? found.pinned : others).push_back(std::move(found.authorities[i]));
  found.authorities = std::move(others);
}

bool is_revoked(X509* certificate, const std::vector<CrlPtr>& lists) {
  return std::ranges::any_of(lists, [&](const CrlPtr& list) {
    X509_REVOKED* entry = nullptr;
    return ::X509_CRL_get0_by_cert(list.get(), &entry, certificate) == 1;
  });
}

// Takes out what ca-crl.pem revokes, by a list of the name that has issued it. Where that one is not in ca-cert.pem, no
// list of it counts when a client comes, as nobody can tell whether it is its own. What is below one that is taken out
// goes with it: it would be trusted without that one.
void take_out_revoked(const std::filesystem::path& file, Certificates& found, std::vector<std::string>& warnings) {
  std::vector<CertificatePtr> taken_out;
  const auto fault_of = [&](X509* one) -> std::string {
    if (is_revoked(one, found.revoked)) return "is revoked by ca-crl.pem";
    const bool is_below = is_issued_by_one(one, taken_out) && !is_issued_by_one(one, found.authorities);
    return is_below ? "is signed by one that ca-crl.pem revokes" : "";
  };
  const auto take_out_of = [&](std::vector<CertificatePtr>& some) {
    for (auto at = some.begin(); at != some.end();) {
      const std::string fault = fault_of(at->get());
      if (fault.empty()) {
        ++at;
        continue;
      }
      warnings.push_back(file.string() + ": " + distinguished_name(::X509_get_subject_name(at->get())) + " " + fault +
                         ", and not trusted");
      taken_out.push_back(std::move(*at));
      at = some.erase(at);
    }
  };
  std::size_t before;
  do {
    before = taken_out.size();
    take_out_of(found.authorities);
    take_out_of(found.pinned);
  } while (taken_out.size() != before);
  found.may_let_in_nobody = !taken_out.empty();
}

// Clients that another of them has signed get in still.
void check_authorities(const std::filesystem::path& file, const Certificates& found,
                       std::vector<std::string>& warnings) {
  std::size_t valid = 0;
  std::string last;
  for (const CertificatePtr& one : found.authorities) {
    const std::string fault = authority_fault(one.get());
    if (fault.empty()) ++valid;
    else last = distinguished_name(::X509_get_subject_name(one.get())) + " " + fault;
  }
  for (const CertificatePtr& one : found.pinned) {
    const std::string name = distinguished_name(::X509_get_subject_name(one.get()));
    if (const std::string fault = validity_fault(one.get()); !fault.empty()) {
      last = name + " " + fault;
      continue;
    }
    ++valid;
    warnings.push_back(file.string() + ": " + name + " " + no_authority +
                       ", and lets in only who has this certificate itself");
  }
  if (valid == 0 && !found.may_let_in_nobody) throw FileError(file, last);
  if (!last.empty()) warnings.push_back(file.string() + ": " + last);
}

// Of a list of revoked certificates.
struct ListFault {
  std::string text;           // why OpenSSL does not take it; empty: it does
  bool is_for_later = false;  // that will end by itself
};

// `authorities`: one of them has the list's name.
ListFault list_fault(X509_CRL* list, const std::vector<CertificatePtr>& authorities) {
  const X509_NAME* const issuer = ::X509_CRL_get_issuer(list);
  const ASN1_TIME* const from = ::X509_CRL_get0_lastUpdate(list);
  const ASN1_TIME* const until = ::X509_CRL_get0_nextUpdate(list);
  if (until != nullptr && ::X509_cmp_current_time(until) < 0) return {"has expired on " + time_text(until)};
  const bool is_signed = std::ranges::any_of(authorities, [&](const CertificatePtr& one) {
    return has_name(one.get(), issuer) && ::X509_CRL_verify(list, ::X509_get0_pubkey(one.get())) == 1;
  });
  ::ERR_clear_error();
  if (!is_signed) return {"is not signed by " + distinguished_name(issuer) + " of ca-cert.pem"};
  // A clock that goes before ours is no reason to go on with the list before for good.
  if (::X509_cmp_current_time(from) > 0) return {"is not valid before " + time_text(from), true};
  return {};
}

// OpenSSL would take it for the whole list of its authority, in place of an older one that is whole.
void refuse_changes_alone(const std::filesystem::path& file, const std::vector<CrlPtr>& lists) {
  for (const CrlPtr& list : lists)
    if (::X509_CRL_get_ext_by_NID(list.get(), NID_delta_crl, -1) >= 0)
      throw FileError(file, "the list of " + distinguished_name(::X509_CRL_get_issuer(list.get())) +
                                " has only what is new since another one (a delta CRL); wanted a whole one");
}

bool is_of_one(const X509_CRL* list, const std::vector<CertificatePtr>& authorities) {
  return std::ranges::any_of(
      authorities, [&](const CertificatePtr& one) { return has_name(one.get(), ::X509_CRL_get_issuer(list)); });
}

void warn_of_own(const std::filesystem::path& file, const Certificates& found, std::vector<std::string>& warnings) {
  for (const CrlPtr& list : found.revoked) {
    X509_REVOKED* entry = nullptr;
    if (::X509_CRL_get0_by_cert(list.get(), &entry, found.chain.front().get()) == 1)
      warnings.push_back(file.string() + ": revokes the server's own certificate, which clients may refuse");
  }
}

// A list may be of an authority between those of ca-cert.pem and a client, which that client shows; and there may be
// several of one authority, of which one has to be good.
void check_revoked(const std::filesystem::path& file, const Certificates& found, std::vector<std::string>& warnings) {
  refuse_changes_alone(file, found.revoked);
  warn_of_own(file, found, warnings);
  struct Bad {
    const X509_NAME* issuer;
    ListFault fault;
  };
  std::vector<Bad> bad;
  std::vector<const X509_NAME*> good;  // issuers
  for (const CrlPtr& list : found.revoked) {
    const X509_NAME* const issuer = ::X509_CRL_get_issuer(list.get());
    if (!is_of_one(list.get(), found.authorities)) {
      warnings.push_back(file.string() + ": the list of " + distinguished_name(issuer) +
                         " is of no authority in ca-cert.pem, and revokes nothing that those have signed");
      continue;
    }
    ListFault fault = list_fault(list.get(), found.authorities);
    if (fault.text.empty()) good.push_back(issuer);
    else bad.push_back({issuer, std::move(fault)});
  }
  for (const Bad& one : bad) {
    const bool other_is_good =
        std::ranges::any_of(good, [&](const X509_NAME* issuer) { return ::X509_NAME_cmp(issuer, one.issuer) == 0; });
    const std::string no_client = "no client of " + distinguished_name(one.issuer);
    if (!other_is_good && !one.fault.is_for_later)
      throw FileError(file, one.fault.text + ", so " + no_client + " would get in; renew it");
    warnings.push_back(file.string() + ": " + one.fault.text +
                       (other_is_good ? "" : ", and " + no_client + " gets in until then"));
  }
}

bool is_there(const std::filesystem::path& file) { return ::access(file.c_str(), F_OK) == 0 || errno != ENOENT; }

}  // namespace

bool has_name(const X509* certificate, const X509_NAME* name) {
  return ::X509_NAME_cmp(::X509_get_subject_name(certificate), name) == 0;
}

std::string read_small_file(const std::filesystem::path& file, bool is_secret, std::vector<std::string>& warnings) {
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // of a pipe nobody may write to
  struct stat facts {};
  if (fd.get() < 0 || ::fstat(fd.get(), &facts) != 0) {
    const int error = errno;
    throw FileError(file, std::strerror(error) + (error == EACCES ? sandbox_hint(file) : ""));
  }
  if (S_ISDIR(facts.st_mode)) throw FileError(file, "is a folder; wanted a file");
  if (!S_ISREG(facts.st_mode)) throw FileError(file, "is no regular file");
  if (is_secret && (facts.st_mode & S_IROTH) != 0)
    warnings.push_back(file.string() + ": everybody on this machine can read the key; write: chmod o-r " +
                       file.string());
  if ((facts.st_mode & S_IWOTH) != 0)
    warnings.push_back(file.string() + ": everybody on this machine can write it; write: chmod o-w " + file.string());
  std::string text;
  std::array<char, 16 * 1024> part;
  for (;;) {
    const ssize_t n = ::read(fd.get(), part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw FileError(file, std::strerror(errno));
    if (n == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(n));
    if (text.size() > largest_file) throw FileError(file, "is larger than 1 MiB");
  }
}

Certificates read_certificates(const std::filesystem::path& folder, bool verifies_clients,
                               std::vector<std::string>& warnings) {
  struct stat facts {};
  if (::stat(folder.c_str(), &facts) != 0) throw FileError(folder, std::strerror(errno));
  if (!S_ISDIR(facts.st_mode))
    throw FileError(folder, "is no folder; name the one that has server-cert.pem and server-key.pem");
  Certificates found;
  found.chain = read_chain(folder / "server-cert.pem", warnings);
  found.key = read_key(folder / "server-key.pem", warnings);
  check_own(folder, found);
  const std::filesystem::path trusted = folder / "ca-cert.pem", revoked = folder / "ca-crl.pem";
  const bool has_trusted = is_there(trusted);
  if (has_trusted) found.authorities = read_chain(trusted, warnings);
  if (is_there(revoked)) found.revoked = read_revoked(revoked, warnings);
  if (!verifies_clients) return found;
  if (!has_trusted)
    throw FileError(trusted,
                    "No such file or directory; clients' certificates are verified by it; to let in clients "
                    "that have none, write verify_client = false");
  set_pinned_apart(found);
  take_out_revoked(trusted, found, warnings);
  check_authorities(trusted, found, warnings);
  check_revoked(revoked, found, warnings);
  return found;
}

}  // namespace ashlar::host
