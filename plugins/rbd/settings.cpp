#include "settings.hpp"

#include <algorithm>
#include <ashlar/rules/duration.hpp>

using namespace ashlar;

namespace {

// What the plugin sets itself, as it relies on it.
constexpr std::string_view own_options[] = {"rbd_cache", "rbd_non_blocking_aio", "key"};

std::chrono::seconds timeout_of(const Params& params) {
  const std::string text(params.text("timeout"));
  const auto found = rules::parse_duration(text);
  if (!found || *found < std::chrono::seconds(1) || *found > std::chrono::hours(1))
    throw BadParameter("timeout", "timeout = \"" + text + "\" is no time of 1s to 3600s; write \"30s\" or \"2m\"");
  return std::chrono::ceil<std::chrono::seconds>(*found);
}

Lock lock_of(std::string_view word) {
  if (word == "require") return Lock::require;
  return word == "off" ? Lock::off : Lock::automatic;
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
