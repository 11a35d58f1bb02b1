#include "config/read_again.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

namespace fs = std::filesystem;

// 0, or why `path` cannot be opened so: an errno number.
int open_error(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

// The first of the folders above `path` that may not be searched; else `path`.
fs::path at_fault(const fs::path& path) {
  fs::path folder;
  for (const fs::path& part : path.parent_path()) {
    folder /= part;
    if (open_error(folder / ".", O_PATH) == EACCES) return folder;
  }
  return path;
}

class Search {
 public:
  explicit Search(const Config& config) : config_(config) {}

  std::vector<Mistake> run() {
    std::error_code error;
    const auto look_at_source = [&](const fs::path& file) {
      if (fs::is_regular_file(file, error)) look_at(fs::absolute(file, error), file, {}, "");
    };
    look_at_source(config_.file);
    for (const Include& include : config_.include) look_at_pattern(include);
    for (const ExportConfig& own : config_.exports) look_at_source(own.file);
    look_at_tls(config_.server.tls);
    for (const ExportConfig& own : config_.exports) {
      for (const LayerConfig& filter : own.filters) look_at_secrets(own, filter);
      look_at_secrets(own, own.plugin);
    }
    return std::move(found_);
  }

 private:
  // What is not there, or broken in another way, is told where it is used.
  void look_at(const fs::path& path, const fs::path& file, Place place, const char* key) {
    if (!looked_at_.insert(path).second || open_error(path, O_RDONLY | O_NONBLOCK) != EACCES) return;
    const fs::path why = at_fault(path);
    if (why != path && !looked_at_.insert(why).second) return;
    const std::string what = why.string() + ": " + std::strerror(EACCES);
    if (*key == '\0') found_.push_back({{}, {}, what});
    else found_.push_back({file, place, "key " + in_quotes(key) + ": " + what});
  }
  void look_at_pattern(const Include& include) {
    const fs::path folder = fs::path(include.pattern).parent_path();
    if (folder.native().find_first_of("*?[") == std::string::npos)
      look_at(folder, config_.file, include.place, "include");
  }
  void look_at_tls(const TlsConfig& tls) {
    if (tls.mode == TlsConfig::Mode::off) return;
    if (!tls.certificates.empty())
      for (const char* const name : {"ca-cert.pem", "ca-crl.pem", "server-cert.pem", "server-key.pem"})
        look_at(tls.certificates / name, config_.file, tls.certificates_place, "certificates");
    if (!tls.psk.empty()) look_at(tls.psk, config_.file, tls.psk_place, "psk");
  }
  // A table with one of a secret's keys is taken for a secret.
  void look_at_secrets(const ExportConfig& own, const LayerConfig& layer) {
    for (const TomlEntry& entry : layer.parameters) {
      look_at_secret(own, entry.key, entry.node);
      if (const auto* const items = std::get_if<TomlArray>(&entry.node.value))
        for (const TomlNode& item : *items) look_at_secret(own, entry.key, item);
    }
  }
  void look_at_secret(const ExportConfig& own, const std::string& key, const TomlNode& node) {
    const auto* const source = std::get_if<TomlTable>(&node.value);
    if (source == nullptr || source->size() != 1) return;
    const TomlEntry& where = source->front();
    const auto* const text = std::get_if<std::string>(&where.node.value);
    if (text == nullptr || text->empty() || (own.is_template() && text->find('*') != std::string::npos)) return;
    const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
    if (where.key == "file") look_at(own.folder / *text, own.file, node.place, key.c_str());
    else if (where.key == "credential" && credentials != nullptr)
      look_at(fs::path(credentials) / *text, own.file, node.place, key.c_str());
  }

  const Config& config_;
  std::set<fs::path> looked_at_;
  std::vector<Mistake> found_;
};

}  // namespace

std::vector<Mistake> unreadable(const Config& config) {
  if (config.is_image) return {};
  return Search(config).run();
}

}  // namespace ashlar::host
