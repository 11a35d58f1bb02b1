// Settings: the parameters of the plugin, read.
#pragma once
#include <ashlar/params.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

// An option of librbd's: whether it copies what it is to write before the call returns. Where it does not, it uses the
// memory of a write that was given up, and never answers one that was refused the lock.
inline constexpr const char* copy_option = "rbd_disable_zero_copy_writes";

enum class Lock { automatic, require, off };

struct Settings {
  Settings() = default;
  // Throws BadParameter.
  explicit Settings(const ashlar::Params& params);

  // The image for people: "pool/namespace/image@snapshot".
  std::string shown() const;

  std::string pool, name_space, image, snapshot;
  std::string conf;  // empty: where librados looks by itself
  std::string user = "admin";
  std::string key;
  bool read_only = false;
  Lock lock = Lock::automatic;
  bool cache = false;
  std::chrono::seconds timeout{60};
  std::vector<std::pair<std::string, std::string>> options;  // of Ceph: name, value

 private:
  void check_names() const;
  void read_options(const ashlar::Params& params);
};
