// The mistakes of a config: all that are found are told at once, so that they can be mended at once.
#pragma once
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/toml_value.hpp"

namespace ashlar::host {

struct Mistake {
  std::filesystem::path file;  // empty: it stands in no file
  Place place;
  std::string what;  // and what to do

  // In one line: FILE:LINE:COLUMN: what, and what to do.
  std::string line() const;
};

// One or more mistakes in a config. what() has a line for each of the first 20, and then how many more there are.
class ConfigError : public std::runtime_error {
 public:
  // No `file`: what is wrong stands in none.
  ConfigError(const std::filesystem::path& file, Place place, const std::string& what);
  // At least one.
  explicit ConfigError(std::vector<Mistake> mistakes);

  // In the order of the file.
  const std::vector<Mistake>& mistakes() const { return *mistakes_; }

 private:
  std::shared_ptr<const std::vector<Mistake>> mistakes_;  // so that copying the exception cannot fail
};

// Gathers mistakes. [one thread]
class Mistakes {
 public:
  // What is wrong in `file` comes behind what is wrong in those that were named before.
  void expect(const std::filesystem::path& file) { files_.push_back(file); }
  void add(const ConfigError& error);
  // Calls `read`; what it throws as a ConfigError is added. Whether it threw none.
  template <class Read>
  bool gather(Read read) {
    try {
      read();
      return true;
    } catch (const ConfigError& error) {
      add(error);
      return false;
    }
  }

  std::size_t size() const { return all_.size(); }
  // In the order of the files, and in that of each file.
  std::vector<Mistake> all() const;
  // All of them as one ConfigError, if there are any.
  void throw_if_any() const;

 private:
  std::vector<Mistake> all_;
  std::vector<std::filesystem::path> files_;
};

}  // namespace ashlar::host
