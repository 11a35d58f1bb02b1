#include "config/config.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "config/reader.hpp"
#include "config/text.hpp"
#include "config/toml_source.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t largest_file = std::size_t{16} << 20;

std::string with_place(const std::filesystem::path& file, Place place, const std::string& what) {
  std::string text = file.native();
  if (place.line != 0) text += ':' + std::to_string(place.line) + ':' + std::to_string(place.column);
  return one_line(text + ": " + what);
}

// A file descriptor that closes itself.
class OpenFile {
 public:
  // Without blocking, as a FIFO would otherwise wait for a writer.
  explicit OpenFile(const char* path) : fd_(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void cannot_read(const std::filesystem::path& file, const std::string& why) {
  throw ConfigError(file, {}, "cannot read the config: " + why);
}
std::string text_of(int error) { return std::generic_category().message(error); }

std::string read_text(const std::filesystem::path& file) {
  const OpenFile opened(file.c_str());
  struct stat status {};
  if (opened.fd() < 0 || ::fstat(opened.fd(), &status) != 0) cannot_read(file, text_of(errno));
  if (S_ISDIR(status.st_mode)) cannot_read(file, text_of(EISDIR));
  if (!S_ISREG(status.st_mode)) cannot_read(file, "not a regular file");

  std::string text;
  std::string block(64 << 10, '\0');
  while (true) {
    const ssize_t n = ::read(opened.fd(), block.data(), block.size());
    if (n == 0) return text;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) cannot_read(file, text_of(errno));
    text.append(block, 0, static_cast<std::size_t>(n));
    if (text.size() > largest_file) cannot_read(file, "larger than 16 MiB");
  }
}

}  // namespace

ConfigError::ConfigError(const std::filesystem::path& file, Place place, const std::string& what)
    : std::runtime_error(with_place(file, place, what)) {}

Config read_config(const std::filesystem::path& file) {
  const TomlTable root = parse_toml(file, read_text(file));
  return ConfigReader(file).read(root);
}

Config config_for_image(const std::filesystem::path& image) {
  Config config;
  config.file = image;
  config.server.listen = {default_listen_address()};
  ExportConfig& disk = config.exports.emplace_back();
  disk.plugin.type = "file";
  disk.plugin.parameters.push_back({"path", {}, {}, std::filesystem::absolute(image).string()});
  return config;
}

}  // namespace ashlar::host
