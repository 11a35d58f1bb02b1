// PrivateFolder: a folder in the place for temporary files, for a socket that only this user may connect to.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <optional>

namespace ashlar::host {

class PrivateFolder {
 public:
  // In $TMPDIR, or in /tmp. `owner`: to whom it shall belong; none: who makes it. Throws std::system_error.
  explicit PrivateFolder(std::optional<uid_t> owner);
  // Removes the folder and the files in it.
  ~PrivateFolder() { remove(); }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void remove() noexcept;

 private:
  std::filesystem::path path_;
};

}  // namespace ashlar::host
