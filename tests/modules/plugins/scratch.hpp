// A folder of a test's own, gone with it.
#pragma once
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace testing {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "ashlar-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  // A sparse file.
  std::string file(const std::string& name, std::uintmax_t size) const {
    std::ofstream(path(name)).close();
    std::filesystem::resize_file(path(name), size);
    return path(name);
  }
  std::string filled(const std::string& name, std::size_t size, char byte) const {
    std::ofstream(path(name), std::ios::binary) << std::string(size, byte);
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

inline std::uint64_t allocated_bytes(const std::string& path) {
  struct stat s = {};
  if (::stat(path.c_str(), &s) != 0) throw std::runtime_error("stat " + path);
  return static_cast<std::uint64_t>(s.st_blocks) * 512;
}

}  // namespace testing
