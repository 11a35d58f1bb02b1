#include "settings.hpp"

#include <algorithm>
#include <ashlar/rules/duration.hpp>
#include <optional>
#include <string_view>

using namespace ashlar;

namespace {

// What the plugin sets itself, as it relies on it.
constexpr std::string_view own_options[] = {"rbd_cache", "rbd_non_blocking_aio", copy_option, "key"};

std::chrono::seconds timeout_of(const Params& params) {
  const std::string text(params.text("timeout"));
  const auto found = rules::parse_duration(text);
  if (!found || *found < std::chrono::seconds(1) || *found > std::chrono::hours(1))
    throw BadParameter("timeout", "timeout = \"" + text + "\" is no time of 1s to 3600s; write \"30s\" or \"120s\"");
  return std::chrono::ceil<std::chrono::seconds>(*found);
}

Lock lock_of(std::string_view word) {
  if (word == "require") return Lock::require;
  return word == "off" ? Lock::off : Lock::automatic;
}

// What is in base64 (RFC 4648, 4). None: it is not.
std::optional<std::string> decoded(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string bytes;
  unsigned bits = 0, n = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == digits.npos) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(digit);
    if ((n += 6) < 8) continue;
    n -= 8;
    bytes += static_cast<char>(bits >> n & 0xff);
  }
  return bytes;
}

// A kind, a time and a length, of two, eight and two bytes, and as many more as the length says. What is none cannot
// be told by librados from other mistakes.
bool is_key(std::string_view text) {
  constexpr std::size_t length_at = 10, head = 12;
  const std::optional<std::string> bytes = decoded(text);
  if (!bytes || bytes->size() <= head) return false;
  const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>((*bytes)[at])); };
  return bytes->size() == head + byte(length_at) + (byte(length_at + 1) << 8);
}

}  // namespace

Settings::Settings(const Params& params)
    : pool(params.text("pool")),
      name_space(params.text("namespace")),
      image(params.text("image")),
      snapshot(params.text("snapshot")),
      conf(params.path("conf")),
      user(params.text("user")),
      key(params.secret("key")),
      read_only(params.boolean("read_only") || !snapshot.empty()),
      lock(lock_of(params.choice("exclusive_lock"))),
      cache(params.boolean("cache")),
      timeout(timeout_of(params)) {
  check_names();
  read_options(params);
}

void Settings::check_names() const {
  const std::pair<const char*, const std::string&> names[] = {
      {"pool", pool}, {"namespace", name_space}, {"image", image}, {"snapshot", snapshot}};
  for (const auto& [name, text] : names)
    if (text.find_first_of("/@") != text.npos)
      throw BadParameter(name, std::string(name) + " = \"" + text +
                                   "\" has a / or @; pool, namespace, image and snapshot are parameters of their own");
  for (const auto& [name, text] : {std::pair<const char*, const std::string&>{"pool", pool}, {"image", image}})
    if (text.empty()) throw BadParameter(name, std::string(name) + " is empty");
  if (!key.empty() && !is_key(key))
    throw BadParameter("key", "the key is none of Ceph's; `ceph auth get-key client." + user + "` prints it");
  if (user.starts_with("client."))
    throw BadParameter("user", "user = \"" + user + "\": leave client. out; write \"" + user.substr(7) + "\"");
  if (lock == Lock::require && read_only)
    throw BadParameter("exclusive_lock",
                       "exclusive_lock = \"require\" is for images that are written to; this one is only read");
}

void Settings::read_options(const Params& params) {
  for (const ashlar_value* value : params.list("options")) {
    const std::string text = value->text;
    const std::size_t sign = text.find('=');
    std::string name = text.substr(0, sign);
    name.erase(name.find_last_not_of(' ') + 1);
    std::ranges::replace(name, ' ', '_');
    if (sign == text.npos || name.empty())
      throw BadParameter("options", "\"" + text + "\" is not \"name=value\"; write \"mon_host=192.0.2.1\"");
    if (std::ranges::find(own_options, name) != std::end(own_options))
      throw BadParameter("options",
                         name + " is no option for this list: the plugin has a parameter for it, or sets it");
    options.emplace_back(
        name, text.substr(text.find_first_not_of(' ', sign + 1) == text.npos ? text.size()
                                                                             : text.find_first_not_of(' ', sign + 1)));
  }
}

std::string Settings::shown() const {
  return pool + "/" + (name_space.empty() ? "" : name_space + "/") + image + (snapshot.empty() ? "" : "@" + snapshot);
}
