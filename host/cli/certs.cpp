// `ashlar certs`: the folder of an authority, of a server and of its clients, as qemu, libnbd and nbdkit take them too.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/words.hpp"
#include "config/text.hpp"
#include "spawn/command_variables.hpp"
#include "tls/issue.hpp"
#include "tls/psk_file.hpp"

namespace ashlar::host {
namespace {

namespace fs = std::filesystem;

constexpr int days_of_authority = 3650;
constexpr std::size_t longest_name = 64;                      // bytes: of a CN (RFC 5280, ub-common-name)
constexpr std::size_t longest_host = 253, longest_part = 63;  // bytes: of a host's name (RFC 1035)
constexpr std::size_t key_bytes = 32;

// At least one, and an empty one behind a separator at the end.
std::vector<std::string> parts_of(const std::string& list, char separator) {
  std::vector<std::string> parts{""};
  for (const char c : list) {
    if (c == separator) parts.emplace_back();
    else parts.back() += c;
  }
  return parts;
}

bool all_of(const std::string& text, const char* more) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::strchr(more, c) != nullptr;
  });
}

// A name whose last part is a number is a misspelled address.
bool is_host_name(const std::string& host) {
  const std::vector<std::string> parts = parts_of(host, '.');
  const bool good = std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
    return !part.empty() && part.size() <= longest_part && all_of(part, "-_*") && part[0] != '-';
  });
  return good && host.size() <= longest_host && parts.back().find_first_not_of("0123456789") != std::string::npos;
}

void check_host(const std::string& host) {
  if (!is_address(host) && !is_host_name(host))
    throw UsageError("certs: --server: " + in_quotes(host) +
                     " is neither a host's name nor an address; write such as disks.example.org,192.0.2.7");
}

// Becomes the name of a folder.
void check_name(const char* option, const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= longest_name && all_of(name, "._-@") && name[0] != '.' && name[0] != '-';
  if (!good)
    throw UsageError(std::string("certs: ") + option + ": " + in_quotes(name) +
                     " is no name here: it has letters, digits and . _ - @, begins with a letter or digit, and is at "
                     "most 64 long");
}

std::string in_hex(const PskKey& bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

// qemu takes two commas in a value for one.
std::string qemu_value(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == ',' ? std::string(",,") : std::string(1, c);
  return out;
}

[[noreturn]] void fail(const fs::path& path, int error) {
  throw std::runtime_error("certs: " + path.string() + ": " + std::strerror(error));
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(folder, error.value());
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, errno);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The whole file or nothing of it: a server may be reading at this moment.
void write(const fs::path& file, const std::string& text, mode_t mode) {
  const fs::path made = file.string() + ".new";
  ::unlink(made.c_str());
  const int fd = ::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) fail(made, errno);
  std::size_t written = 0;
  int error = 0;
  while (written < text.size() && error == 0) {
    const ssize_t n = ::write(fd, text.data() + written, text.size() - written);
    if (n > 0) written += static_cast<std::size_t>(n);
    else if (errno != EINTR) error = errno;
  }
  if (error == 0 && ::fsync(fd) != 0) error = errno;
  ::close(fd);
  if (error == 0 && ::rename(made.c_str(), file.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(made.c_str());
  fail(file, error);
}

int days_of(const std::string& text) {
  constexpr int most = 36500;  // a century
  const int days = is_number(text) && text.size() <= 5 ? std::stoi(text) : 0;
  if (days < 1 || days > most)
    throw UsageError("certs: --days: " + in_quotes(text) + " is no whole number from 1 to " + std::to_string(most));
  return days;
}

class Certs {
 public:
  Certs(const CommandOptions& options, std::ostream& out)
      : options_(options), out_(out), folder_(options.operand), days_(days_of(options.days)) {
    for (const std::string& list : options.hosts)
      for (const std::string& host : parts_of(list, ',')) hosts_.push_back(host);
  }

  void run() {
    check();
    if (!options_.users.empty()) read_users();
    have_authority();
    if (!hosts_.empty()) make_server();
    for (const std::string& client : options_.clients) make_client(client);
    add_users();
    if (hosts_.empty()) hosts_ = hosts_of_certificate(read(folder_ / "server" / "server-cert.pem"));
    tell_server();
    for (const std::string& client : options_.clients) tell_client(client);
    for (const std::string& user : options_.users) tell_user(user);
  }

 private:
  void check() const {
    if (folder_.empty()) throw UsageError("certs: the folder's name is empty; name one to be made");
    for (const std::string& host : hosts_) check_host(host);
    for (const std::string& client : options_.clients) check_name("--client", client);
    for (const std::string& user : options_.users) check_name("--psk", user);
    if (hosts_.empty() && !fs::exists(folder_ / "server" / "server-cert.pem"))
      throw UsageError("certs: no server; add --server HOST, the name or address that clients connect to");
  }

  // An authority that is there is never written over: all that it has signed would be worth nothing.
  void have_authority() {
    const fs::path certificate = folder_ / "ca-cert.pem", key = folder_ / "ca-key.pem";
    const bool has_certificate = fs::exists(certificate), has_key = fs::exists(key);
    if (has_certificate != has_key)
      throw UsageError("certs: " + (has_key ? key : certificate).string() + " is there without " +
                       (has_key ? certificate : key).string() + "; put that back, or name another folder");
    if (!has_certificate && fs::exists(folder_ / "server" / "ca-cert.pem"))
      throw UsageError("certs: " + folder_.string() +
                       " has a server but no ca-cert.pem and ca-key.pem; put them back, "
                       "or name another folder");
    if (has_certificate) {
      authority_ = {read(certificate), read(key)};
      if (const std::string fault = authority_fault(authority_); !fault.empty())
        throw UsageError("certs: the CA in " + folder_.string() + " " + fault + "; name another folder for a new one");
      if (const std::string end = end_within(authority_.certificate, days_); !end.empty())
        out_ << "The CA ends on " << end << ", and what it signs with it\n";
      return;
    }
    // Before the folder: a build without TLS cannot do it, and leaves nothing.
    authority_ = make_authority("ashlar CA of " + hosts_.front().substr(0, 40), std::max(days_, days_of_authority));
    make_folder(folder_);
    write(key, authority_.key, 0600);
    write(certificate, authority_.certificate, 0644);
    out_ << "Made a CA: " << certificate.string() << " (keep " << key.string() << " to yourself)\n";
  }

  void put(const fs::path& folder, const std::string& kind, const PemPair& pair) const {
    make_folder(folder);
    write(folder / "ca-cert.pem", authority_.certificate, 0644);
    write(folder / (kind + "-key.pem"), pair.key, 0600);
    write(folder / (kind + "-cert.pem"), pair.certificate, 0644);
  }
  void make_server() {
    const Subject subject{Subject::Kind::server, hosts_.front().substr(0, longest_name), hosts_};
    put(folder_ / "server", "server", issue(authority_, subject, days_));
    out_ << "Made the server's certificate, good for " << days_ << " days: " << (folder_ / "server").string() << "\n";
  }
  void make_client(const std::string& name) {
    const PemPair pair = issue(authority_, {Subject::Kind::client, name, {}}, days_);
    put(client_folder(name), "client", pair);
    out_ << "Made a client's certificate, good for " << days_ << " days: " << client_folder(name).string() << " ("
         << name_of_certificate(pair.certificate) << ")\n";
  }

  fs::path users_file() const { return folder_ / "keys.psk"; }
  void read_users() {
    if (!fs::exists(users_file())) return;
    user_lines_ = read(users_file());
    users_ = parse_psk_file(user_lines_, users_file()).keys;
    if (!user_lines_.empty() && user_lines_.back() != '\n') user_lines_ += '\n';
  }
  // Who has a key keeps it: there may be clients that use it.
  void add_users() {
    if (options_.users.empty()) return;
    for (const std::string& user : options_.users) {
      const fs::path own = client_folder(user) / "keys.psk";
      const auto [found, is_new] = users_.try_emplace(user);
      if (is_new) found->second = random_bytes(key_bytes);
      const std::string line = user + ":" + in_hex(found->second) + "\n";
      if (is_new) user_lines_ += line;
      if (is_new || !fs::exists(own)) {
        make_folder(client_folder(user));
        write(own, line, 0600);
      }
      if (is_new) out_ << "Made a key for " << user << ": " << own.string() << "\n";
      else out_ << user << " has a key already, which stays\n";
    }
    write(users_file(), user_lines_, 0600);
  }

  fs::path client_folder(const std::string& name) const { return folder_ / "clients" / name; }
  std::string absolute(const fs::path& path) const { return fs::absolute(path).lexically_normal().string(); }
  std::string host() const { return hosts_.empty() ? "HOST" : hosts_.front(); }
  std::string host_in_uri() const { return host().find(':') == std::string::npos ? host() : "[" + host() + "]"; }

  void tell_server() const {
    out_ << "\nIn the server's config:\n\n  [server]\n  listen = [\"tcp::10809\"]\n  tls = { mode = \"require\", "
            "certificates = "
         << in_quotes(absolute(folder_ / "server"));
    if (fs::exists(users_file())) out_ << ", psk = " << in_quotes(absolute(users_file()));
    out_ << " }\n";
  }
  void tell_client(const std::string& name) const {
    const std::string folder = absolute(client_folder(name));
    tell(name, "nbds://" + host_in_uri() + "/?tls-certificates=" + percent_encoded(folder),
         "tls-creds-x509,id=tls0,endpoint=client,dir=" + qemu_value(folder));
  }
  void tell_user(const std::string& user) const {
    const std::string folder = absolute(client_folder(user));
    tell(user,
         "nbds://" + percent_encoded(user) + "@" + host_in_uri() + "/?tls-psk-file=" + percent_encoded(folder) +
             "/keys.psk",
         "tls-creds-psk,id=tls0,endpoint=client,username=" + user + ",dir=" + qemu_value(folder));
  }
  void tell(const std::string& who, const std::string& uri, const std::string& object) const {
    out_ << "\nOn the machine of " << who << ", with a copy of " << absolute(client_folder(who))
         << " there (an export by its name: .../NAME?..., export=NAME):\n\n  nbdinfo " << shell_word(uri)
         << "\n  nbdcopy " << shell_word(uri) << " disk.img\n  qemu-img convert --object " << shell_word(object)
         << " --image-opts " << shell_word("driver=nbd,host=" + host() + ",port=10809,tls-creds=tls0")
         << " -O raw disk.img\n";
  }

  const CommandOptions& options_;
  std::ostream& out_;
  const fs::path folder_;
  const int days_;
  std::vector<std::string> hosts_;
  PemPair authority_;
  std::string user_lines_;  // the file of keys
  PskKeys users_;           // what it says
};

}  // namespace

int certs_command(const CommandOptions& options, Streams streams) {
  Certs(options, streams.out).run();
  return exit_ok;
}

}  // namespace ashlar::host
