#include "tls/tls.hpp"

#include <sys/stat.h>

#include <array>
#include <mutex>

#include "tls/openssl_socket.hpp"

namespace ashlar::host {
namespace {

// What tells a file from what it was before. (stat(2))
struct Stamp {
  bool is_there = false;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t changed = 0;  // ns
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const std::filesystem::path& file) {
  struct stat facts {};
  if (file.empty() || ::stat(file.c_str(), &facts) != 0) return {};
  const std::int64_t changed = facts.st_ctim.tv_sec * std::int64_t{1'000'000'000} + facts.st_ctim.tv_nsec;
  return {true, facts.st_dev, facts.st_ino, facts.st_size, changed};
}

using Stamps = std::array<Stamp, 5>;

Stamps stamps_of(const TlsConfig& config) {
  const auto of_folder = [&](const char* name) {
    return config.certificates.empty() ? Stamp{} : stamp_of(config.certificates / name);
  };
  return {of_folder("ca-cert.pem"), of_folder("ca-crl.pem"), of_folder("server-cert.pem"), of_folder("server-key.pem"),
          stamp_of(config.psk)};
}

std::string text_of(const Stamps& stamps) {
  std::string text;
  for (const Stamp& one : stamps)
    for (const std::uint64_t part : {std::uint64_t{one.is_there}, std::uint64_t{one.device}, std::uint64_t{one.inode},
                                     static_cast<std::uint64_t>(one.size), static_cast<std::uint64_t>(one.changed)})
      text += std::to_string(part) + " ";
  return text;
}

class FromFiles final : public Tls {
 public:
  FromFiles(const Config& config, std::vector<std::string>& warnings) : methods_(OpensslSocket::make_methods()) {
    config_.file = config.file;
    config_.server.tls = config.server.tls;
    stamps_ = stamps_of(config_.server.tls);
    current_ = Credentials::read(config_, warnings);
  }

  std::unique_ptr<TlsSocket> accept(Socket& connection, const Peer& peer) override {
    const bool is_tcp = peer.transport == Peer::Transport::tcp;
    return std::make_unique<OpensslSocket>(connection, is_tcp, current(), methods_.get());
  }
  News look_for_new_files() override {
    // Looked at first: what changes while they are read is found the next time.
    const Stamps now = stamps_of(config_.server.tls);
    {
      const std::lock_guard lock(mutex_);
      if (now == stamps_) return {};
      stamps_ = now;
    }
    return read_files();
  }
  std::string state_of_files() override {
    const std::lock_guard lock(mutex_);
    return text_of(stamps_);
  }
  bool knows_user(std::string_view user) override { return current()->knows_user(user); }

 private:
  News read_files() {
    News news;
    try {
      std::shared_ptr<const Credentials> made = Credentials::read(config_, news.warnings);
      const std::lock_guard lock(mutex_);
      current_.swap(made);
      news.taken = true;
    } catch (const ConfigError& e) {
      for (const Mistake& mistake : e.mistakes()) news.mistakes.push_back(mistake.line());
    } catch (const std::exception& e) {
      news.mistakes.emplace_back(e.what());
    }
    return news;
  }
  std::shared_ptr<const Credentials> current() {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  const BioMethodPtr methods_;
  Config config_;     // only what tells of TLS
  std::mutex mutex_;  // guards what follows
  Stamps stamps_;
  std::shared_ptr<const Credentials> current_;
};

}  // namespace

std::string lack_of_tls() { return {}; }

std::unique_ptr<Tls> make_tls(const Config& config, std::vector<std::string>& warnings) {
  const TlsConfig& tls = config.server.tls;
  if (tls.mode == TlsConfig::Mode::off || tls.flawed) return nullptr;
  return std::make_unique<FromFiles>(config, warnings);
}

}  // namespace ashlar::host
