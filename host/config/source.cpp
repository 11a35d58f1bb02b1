#include "config/source.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

#include "config/config.hpp"
#include "config/sandbox_refuses.hpp"
#include "config/toml_source.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t largest_file = std::size_t{16} << 20;

[[noreturn]] void cannot_read(const std::filesystem::path& file, const std::string& why) {
  throw ConfigError(file, {}, "cannot read the config: " + why);
}

std::string text_of(int error) { return std::generic_category().message(error); }

// The descriptor that `file` is a name of.
std::optional<int> descriptor_named(const std::filesystem::path& file) {
  const std::string_view name = file.native();
  if (name == "/dev/stdin") return STDIN_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!name.starts_with(folder)) continue;
    const std::string_view number = name.substr(folder.size());
    int fd = 0;
    const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), fd);
    if (error == std::errc{} && rest == number.data() + number.size() && fd >= 0) return fd;
  }
  return std::nullopt;
}

// A file descriptor that closes itself.
class OpenFile {
 public:
  // A descriptor that is there already is not opened again by its name: that is not possible of a socket, or without
  // /proc, or when the file belongs to another user.
  explicit OpenFile(const std::filesystem::path& file) {
    if (const auto fd = descriptor_named(file)) fd_ = ::fcntl(*fd, F_DUPFD_CLOEXEC, 0);
    else fd_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// What `file` is, without opening it; nothing when it is not there.
std::optional<mode_t> mode_of(const std::filesystem::path& file) {
  struct stat status {};
  const auto fd = descriptor_named(file);
  if ((fd ? ::fstat(*fd, &status) : ::stat(file.c_str(), &status)) != 0) return std::nullopt;
  return status.st_mode;
}

// Reads into `block` from the file's position; 0: its end. Throws std::system_error.
std::size_t read_some(int fd, std::string& block) {
  while (true) {
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN) {  // a descriptor that somebody has made non-blocking
      pollfd readable{fd, POLLIN, 0};
      ::poll(&readable, 1, -1);
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category());
    }
  }
}

// Whether a line of `text` begins with `header`, but for blanks before it.
bool has_line(std::string_view text, std::string_view header) {
  for (auto at = text.find(header); at != std::string_view::npos; at = text.find(header, at + 1)) {
    const auto before = text.substr(0, at).find_last_not_of(" \t");
    if (before == std::string_view::npos || text[before] == '\n') return true;
  }
  return false;
}

// Whether `text` is a config, even one that is no TOML because of a mistake in it.
bool is_config_text(const std::string& text) {
  if (text.find('\0') != std::string::npos) return false;
  try {
    const TomlTable keys = parse_toml({}, text);
    return std::any_of(keys.begin(), keys.end(), [](const TomlEntry& entry) {
      return entry.key == "export" || entry.key == "include" || entry.key == "server";
    });
  } catch (const ConfigError&) {
    return has_line(text, "[[export]]") || has_line(text, "[server]");
  }
}

// Whether the regular file `file` holds a config. Leaves the position of a descriptor where it is.
bool holds_config(const std::filesystem::path& file) {
  const OpenFile opened(file);
  struct stat status {};
  if (opened.fd() < 0 || ::fstat(opened.fd(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (status.st_size > static_cast<off_t>(largest_file)) return false;
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n = ::pread(opened.fd(), text.data() + have, text.size() - have, static_cast<off_t>(have));
    if (n <= 0) return false;
    have += static_cast<std::size_t>(n);
  }
  return is_config_text(text);
}

}  // namespace

std::filesystem::path current_folder() {
  std::error_code gone;
  return std::filesystem::current_path(gone);
}

std::filesystem::path folder_of_config(const std::filesystem::path& file) {
  if (const auto mode = mode_of(file); descriptor_named(file) || (mode && S_ISFIFO(*mode))) return current_folder();
  return (current_folder() / file).lexically_normal().parent_path();
}

std::string read_config_text(const std::filesystem::path& file) {
  const OpenFile opened(file);
  struct stat status {};
  if (opened.fd() < 0 || ::fstat(opened.fd(), &status) != 0) {
    const int error = errno;
    cannot_read(file, text_of(error) + (error == EACCES ? sandbox_hint(file) : ""));
  }
  if (S_ISDIR(status.st_mode)) cannot_read(file, text_of(EISDIR));
  if (S_ISBLK(status.st_mode)) cannot_read(file, "it is a block device");

  std::string text;
  std::string block(64 << 10, '\0');
  try {
    while (const std::size_t n = read_some(opened.fd(), block)) {
      text.append(block, 0, n);
      if (text.size() > largest_file) cannot_read(file, "larger than 16 MiB");
    }
  } catch (const std::system_error& e) {
    cannot_read(file, e.code().message());
  }
  return text;
}

bool can_be_read_again(const std::filesystem::path& file) {
  const auto mode = mode_of(file);
  return !descriptor_named(file) && !(mode && S_ISFIFO(*mode));
}

Operand kind_of_operand(const std::filesystem::path& file) {
  if (file.native().ends_with(".toml")) return Operand::config;
  const auto mode = mode_of(file);
  if (!mode) return Operand::image;
  if (S_ISFIFO(*mode)) return Operand::config;
  if (descriptor_named(file)) {
    // It has no name that could end in .toml, so what is in it decides.
    const bool may_be_disk = S_ISREG(*mode) || S_ISBLK(*mode);
    return !may_be_disk || holds_config(file) ? Operand::config : Operand::image;
  }
  return holds_config(file) ? Operand::misnamed : Operand::image;
}

}  // namespace ashlar::host
