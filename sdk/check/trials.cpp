// Layers that are made and opened only to see whether they can be: on trial, and with other parameters.
#include <sys/stat.h>

#include <algorithm>
#include <ashlar/rules/extension.hpp>
#include <ashlar/rules/text.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>

#include "checks.hpp"

namespace ashlar::check {
namespace {

namespace fs = std::filesystem;

// With one device, over a disk of its own; it never serves. False: the module refuses it.
bool can_be_opened(const Subject& s, const testing::Given& given, Services& services) {
  std::optional<Disk> disk;
  std::unique_ptr<Disk::Connection> connection;
  if (s.is_filter()) {
    disk.emplace(Bench::usual_below(disk_sizes.at(s.size_index)));
    connection = disk->connect();
  }
  try {
    Layer layer(s.module, services, given, s.watch, true);
    const Device device(layer, {.read_only = true, .purpose = ASHLAR_OPEN_ON_TRIAL, .below = connection.get()});
    device.look();
    return true;
  } catch (const Refused& refused) {
    require(!services.tells_secret(refused.text), "a secret is in the text of a refusal");
    return false;
  }
}

// Whether `file` is called as what lies beside `path` is: `path` itself, or with an ending.
bool belongs_to(std::string_view file, std::string_view path) {
  if (path.empty() || !file.starts_with(path)) return false;
  return file.size() == path.size() || std::string_view(".-~").find(file[path.size()]) != std::string_view::npos;
}

// What lies where the parameters of type PATH lead, and what there is beside that is called alike.
std::map<std::string, std::string> files(const Subject& s) {
  std::map<std::string, std::string> all;
  for (const auto& [name, text] : s.options.given)
    for (std::uint32_t i = 0; i < s.module.n_params; ++i) {
      if (name != s.module.params[i]->name || s.module.params[i]->type != ASHLAR_PARAM_PATH) continue;
      std::error_code error;
      const fs::path path = fs::absolute(text, error).lexically_normal();
      if (error) continue;
      for (const auto& entry : fs::directory_iterator(path.parent_path(), error)) {
        struct stat info {};
        const std::string file = entry.path().string();
        if (!belongs_to(entry.path().filename().string(), path.filename().string())) continue;
        if (::lstat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
        all[file] = std::to_string(info.st_ino) + " " + std::to_string(info.st_size) + " " +
                    std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
      }
    }
  return all;
}

testing::Given with(testing::Given given, const std::string& name, const std::string& value) {
  std::erase_if(given, [&](const auto& one) { return one.first == name; });
  given.emplace_back(name, value);
  return given;
}

// A layer may really take as much memory as it is told to, on a machine that has no more.
constexpr std::int64_t enough_bytes = 256 << 20;

// The ends of what a row of the table allows.
std::vector<std::string> ends_of(const ashlar_param& row) {
  switch (row.type) {
    case ASHLAR_PARAM_BOOL: return {"false", "true"};
    case ASHLAR_PARAM_INT: return {std::to_string(row.minimum), std::to_string(row.maximum)};
    case ASHLAR_PARAM_SIZE:
      return {std::to_string(row.minimum), std::to_string(std::max(row.minimum, std::min(row.maximum, enough_bytes)))};
    case ASHLAR_PARAM_CHOICE: {
      std::vector<std::string> all;
      for (const char* const* one = row.choices; *one != nullptr; ++one) all.emplace_back(*one);
      return all;
    }
    default: return {};
  }
}

void check_parameters(const Subject& s) {
  if (rules::connects(s.module)) throw NotMade{"it connects to others, who may not answer"};
  Services services(s.options);
  bool any = false;
  for (std::uint32_t i = 0; i < s.module.n_params; ++i) {
    const ashlar_param& row = *s.module.params[i];
    for (const std::string& value : ends_of(row)) {
      const std::string scene = "with " + std::string(row.name) + "=" + value;
      s.watch.scene_of(scene);
      static_cast<void>(can_be_opened(s, with(s.options.given, row.name, value), services));
      services.look();
      any = true;
    }
  }
  s.watch.scene(nullptr);
  if (!any) throw NotMade{"no parameter of it has ends"};
}

// In place of one that is given, a secret that nobody else has is looked for in all that the module says. It may refuse
// it.
void check_secrets(const Subject& s) {
  bool any = false;
  for (std::uint32_t i = 0; i < s.module.n_params; ++i) {
    const ashlar_param& row = *s.module.params[i];
    const auto is_given = [&row](const auto& one) { return one.first == row.name; };
    if (row.type != ASHLAR_PARAM_SECRET || std::ranges::none_of(s.options.given, is_given)) continue;
    Services services(s.options);
    const std::string secret = "Xq7vKz" + std::to_string(s.options.seed + 0x5eed5eed) + "Wm3pRt";
    services.set_secret(secret);
    static_cast<void>(can_be_opened(s, with(s.options.given, row.name, secret), services));
    services.look();
    any = true;
  }
  if (!any) throw NotMade{"none is given"};
}

}  // namespace

void open_on_trial(const Subject& s) {
  const auto before = files(s);
  Services services(s.options);
  try {
    static_cast<void>(can_be_opened(s, s.options.given, services));
  } catch (const std::invalid_argument&) {
    return;  // the parameters do not fit the table, which is told when it is opened to be used
  }
  services.look();
  for (const auto& [file, state] : files(s)) {
    const auto was = before.find(file);
    require(was != before.end(), "it makes " + rules::in_quotes(file) + " when it is opened on trial");
    require(was->second == state, "it changes " + rules::in_quotes(file) + " when it is opened on trial");
  }
}

std::span<const Check> trial_checks() {
  static constexpr Check checks[] = {
      {"parameters", "what its table allows does no harm", &check_parameters},
      {"secrets", "neither logs a secret nor tells it in a refusal", &check_secrets},
  };
  return checks;
}

}  // namespace ashlar::check
