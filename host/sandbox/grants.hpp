// Grants: which files the server may open once it is in its sandbox, and whether it may connect to others.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "config/toml_value.hpp"

namespace ashlar::host {

// What may be done with a path and, if it is a folder, with all below it.
enum class FileAccess {
  remove_folders,  // remove empty folders
  sockets,         // list it, make sockets and remove them
  read,            // read files and list folders
  write,           // that, and write, make, rename and remove files and folders
};

// "read" and so on.
const char* name(FileAccess access);

// What needs a grant.
struct Need {
  Need(const char* in_words) : words(in_words) {}
  Need(std::string in_words) : words(std::move(in_words)) {}
  Need(std::string in_words, std::filesystem::path of_file, Place at)
      : words(std::move(in_words)), file(std::move(of_file)), place(at) {}

  std::string words;
  std::filesystem::path file;  // of the config, where the key stands that needs it; empty: in none
  Place place{};               // of the key's value there
};

struct Grant {
  std::filesystem::path path;  // absolute, without links
  FileAccess access = FileAccess::read;
  Need why;
};

class Grants {
 public:
  // Adds `path`, which exists, as it is without links; what does not exist is passed over. Of several reasons for the
  // same access the first is kept.
  void add(const std::filesystem::path& path, FileAccess access, const Need& why);

  // Adds what it takes to open the file at `path`, also after another one was renamed over it: the folder in which it
  // is, and, when it is a link, the folder in which the link is. Of a folder or a device it is itself; of a file that
  // is not there, the nearest folder that is, unless that is the root; of what is not there below /dev, all of /dev.
  void add_file(const std::filesystem::path& path, FileAccess access, const Need& why);

  // Lets modules connect to others. Of several reasons the first is kept.
  void add_connect(const Need& why);
  // What needs that; no words: nothing, and they may not.
  const Need& connect() const { return connect_; }

  // Whether `path`, which need not exist, lies in what is granted with that access.
  bool allow(const std::filesystem::path& path, FileAccess access) const;

  // Those of `others` that do not lie in these: what a server that is in its sandbox cannot take up any more.
  std::vector<Grant> missing(const Grants& others) const;

  // Sorted by path. Lives as long as nothing is added.
  std::vector<Grant> all() const;

 private:
  using Key = std::pair<std::filesystem::path, FileAccess>;
  std::map<Key, Need> all_;  // and why
  Need connect_{""};
};

}  // namespace ashlar::host
