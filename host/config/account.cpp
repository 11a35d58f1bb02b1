#include "config/account.hpp"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

#include "config/sandbox_refuses.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t first_buffer = 1024, largest_buffer = std::size_t{1} << 20;

// The entry of `key`, as `find`, one of getpwnam_r(3), getpwuid_r(3) and getgrnam_r(3), has it; its texts are in
// `buffer`.
template <class Key, class Entry>
bool look_up(Key key, Entry& entry, std::vector<char>& buffer, int (*find)(Key, Entry*, char*, std::size_t, Entry**)) {
  for (std::size_t size = first_buffer; size <= largest_buffer; size *= 4) {
    buffer.resize(size);
    Entry* found = nullptr;
    const int error = find(key, &entry, buffer.data(), buffer.size(), &found);
    if (error != ERANGE) return error == 0 && found != nullptr;
  }
  return false;
}

// The highest number means "leave it as it is" to chown(2).
std::optional<std::uint32_t> as_number(const std::string& text) {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || rest != end || number == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return number;
}

// `list` is the file of those that are known to this machine itself.
[[noreturn]] void refuse(const char* kind, const std::string& name, const char* list) {
  if (const std::string hint = sandbox_hint(list); !hint.empty())
    throw std::invalid_argument(std::string("cannot look up the ") + kind + " " + in_quotes(name) + ": " + list +
                                " cannot be read" + hint + "; or give the number");
  throw std::invalid_argument(std::string("no ") + kind + " " + in_quotes(name) +
                              " on this machine; name one that there is, or give its number");
}

}  // namespace

uid_t user_number(const std::string& name) {
  passwd entry{};
  std::vector<char> buffer;
  if (const auto number = as_number(name)) return *number;
  if (look_up(name.c_str(), entry, buffer, &::getpwnam_r)) return entry.pw_uid;
  refuse("user", name, "/etc/passwd");
}

gid_t group_number(const std::string& name) {
  group entry{};
  std::vector<char> buffer;
  if (const auto number = as_number(name)) return *number;
  if (look_up(name.c_str(), entry, buffer, &::getgrnam_r)) return entry.gr_gid;
  refuse("group", name, "/etc/group");
}

std::vector<gid_t> groups_of_user(uid_t uid) {
  passwd entry{};
  std::vector<char> buffer;
  if (!look_up(uid, entry, buffer, &::getpwuid_r)) return {};
  std::vector<gid_t> groups(16);
  for (;;) {
    auto count = static_cast<int>(groups.size());
    const bool fits = ::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) >= 0;
    groups.resize(static_cast<std::size_t>(count));  // how many there are, also when they do not fit
    if (fits) return groups;
  }
}

}  // namespace ashlar::host
