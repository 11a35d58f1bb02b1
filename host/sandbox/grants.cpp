#include "sandbox/grants.hpp"

#include <system_error>

namespace ashlar::host {
namespace {

namespace fs = std::filesystem;

bool is_within(const fs::path& path, const fs::path& folder) {
  const std::string &inner = path.native(), &outer = folder.native();
  if (!inner.starts_with(outer)) return false;
  return inner.size() == outer.size() || outer.ends_with('/') || inner[outer.size()] == '/';
}

// The nearest folder above `path` that exists; empty: only the root does.
fs::path nearest_folder(const fs::path& path) {
  std::error_code error;
  for (fs::path folder = path.parent_path(); folder != folder.root_path(); folder = folder.parent_path())
    if (fs::is_directory(folder, error)) return folder;
  return {};
}

}  // namespace

const char* name(FileAccess access) {
  switch (access) {
    case FileAccess::remove_folders: return "remove_folders";
    case FileAccess::sockets: return "sockets";
    case FileAccess::read: return "read";
    case FileAccess::write: break;
  }
  return "write";
}

void Grants::add(const fs::path& path, FileAccess access, const Need& why) {
  std::error_code error;
  const fs::path there = fs::canonical(path, error);
  if (error || all_.contains({there, FileAccess::write})) return;
  if (access == FileAccess::write) {
    for (const FileAccess less : {FileAccess::remove_folders, FileAccess::sockets, FileAccess::read})
      all_.erase({there, less});
  }
  all_.emplace(Key{there, access}, why);
}

void Grants::add_file(const fs::path& path, FileAccess access, const Need& why) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  // What comes to /dev is often a link to another place in it.
  if (!fs::exists(status)) return add(is_within(path, "/dev") ? "/dev" : nearest_folder(path), access, why);
  if (fs::is_directory(status) || fs::is_block_file(status) || fs::is_character_file(status))
    return add(path, access, why);
  add(path.parent_path(), access, why);
  add(fs::canonical(path, error).parent_path(), access, why);
}

void Grants::add_connect(const Need& why) {
  if (connect_.words.empty()) connect_ = why;
}

bool Grants::allow(const fs::path& path, FileAccess access) const {
  std::error_code error;
  const fs::path there = fs::weakly_canonical(path, error);
  if (error) return false;
  for (fs::path folder = there;; folder = folder.parent_path()) {
    if (all_.contains({folder, access}) || all_.contains({folder, FileAccess::write})) return true;
    if (folder == folder.parent_path()) return false;
  }
}

std::vector<Grant> Grants::missing(const Grants& others) const {
  std::vector<Grant> outside;
  for (const Grant& one : others.all())
    if (!allow(one.path, one.access)) outside.push_back(one);
  return outside;
}

std::vector<Grant> Grants::all() const {
  std::vector<Grant> grants;
  for (const auto& [key, why] : all_) grants.push_back({key.first, key.second, why});
  return grants;
}

}  // namespace ashlar::host
