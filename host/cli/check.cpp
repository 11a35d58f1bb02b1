#include <set>
#include <sstream>

#include "chain/beside.hpp"
#include "chain/make_exports.hpp"
#include "cli/check_as.hpp"
#include "cli/check_export.hpp"
#include "cli/check_sandbox.hpp"
#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "config/text.hpp"
#include "log/log.hpp"
#include "sandbox/needed_grants.hpp"
#include "server/other_user.hpp"
#include "server/unknown_users.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {
namespace {

json::array to_json(const std::vector<Mistake>& mistakes) {
  json::array out;
  for (const Mistake& mistake : mistakes)
    out.push_back({{"file", json_text(mistake.file.string())},
                   {"line", mistake.place.line},
                   {"column", mistake.place.column},
                   {"what", json_text(mistake.what)}});
  return out;
}

json::array texts(const std::vector<std::string>& all) {
  json::array out;
  for (const std::string& one : all) out.push_back(json_text(one));
  return out;
}

// Who the server would become. None: who it is, or it cannot, which is a mistake.
std::optional<Privileges> user_of(const Config& config, Mistakes& mistakes) {
  if (!config.server.user && !config.server.group) return std::nullopt;
  try {
    return privileges_of(config.server.user, config.server.group);
  } catch (const std::runtime_error& e) {
    mistakes.add(ConfigError({}, {}, e.what()));
    return std::nullopt;
  }
}

// What that user cannot open is told as at a start.
void try_as_user(const Config& config, const Exports& exports, const Privileges& user, Mistakes& mistakes,
                 std::vector<std::string>& warnings) {
  if (!with_privileges(user, [&] { try_as(user, config, exports, mistakes, warnings); }))
    warnings.push_back("what " + user.who + " may open is not checked: only root may act as another user");
}

// What is told of one export; not all of it is asked for.
struct Told {
  std::optional<Seen> seen;
  json::object object;
  std::string text;
};

// Each of them is opened once more. One that has gone since it was made is a mistake, and nothing is told of it.
std::vector<Told> tell_of(const Exports& exports, const std::optional<Identity>& client, bool as_json,
                          const Config& config, Tls* tls, Mistakes& mistakes, std::vector<std::string>& warnings) {
  std::vector<Told> all(exports.size());
  const auto tell = [&](std::size_t index) {
    Export& exported = *exports[index];
    const ExportConfig& own = exported.config().exports.front();
    Told& told = all[index];
    try {
      if (client) told.seen = seen_by(*client, exported, config.server.tls, tls);
      if (as_json) {
        told.object = export_to_json(own, exported, client ? &*told.seen : nullptr);
      } else if (!client) {
        std::ostringstream text;
        print_export(text, own, exported);
        told.text = text.str();
      }
    } catch (const OpenError& e) {
      throw exported.mistake_of(e);
    }
    return std::string();
  };
  const std::set<std::size_t> mistaken = take_beside(exports, tell, mistakes, warnings);
  std::vector<Told> told;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!mistaken.contains(i)) told.push_back(std::move(all[i]));
  return told;
}

}  // namespace

std::vector<const char*> names(Ops ops) {
  std::vector<const char*> all;
  for (std::uint32_t op = 0; (ASHLAR_OPS_KNOWN >> op) != 0; ++op)
    if (ops.has(static_cast<Op>(op))) all.push_back(name(static_cast<Op>(op)));
  return all;
}

std::vector<const char*> names(Flags flags) {
  std::vector<const char*> all;
  for (const Flag::Named& one : Flag::names)
    if (flags.has(one.flag)) all.push_back(one.name);
  return all;
}

int check_command(const CommandOptions& options, Streams streams) {
  std::optional<Identity> client;
  if (!options.as.empty()) client = parse_identity(options.as);
  Mistakes mistakes;
  Config config;
  mistakes.gather([&] { config = read_config(options.operand, mistakes); });
  Registry registry(module_folders(options, &config.server));
  Log log(LogLevel::warn);
  const auto activity = Activity::make();
  std::vector<std::string> warnings;
  std::unique_ptr<Tls> tls;
  const auto read_tls = [&] { mistakes.gather([&] { tls = make_tls(config, warnings); }); };
  if (client) read_tls();
  const std::optional<Privileges> user = user_of(config, mistakes);
  json::array exports;
  std::vector<Seen> seen;
  const Exports made = make_exports(config, registry, log.logger(), activity, mistakes);
  for (Told& told : tell_of(made, client, options.json, config, tls.get(), mistakes, warnings)) {
    if (told.seen) seen.push_back(std::move(*told.seen));
    if (options.json) exports.push_back(std::move(told.object));
    streams.out << told.text;
  }
  if (client && !options.json) print_seen(streams.out, seen);
  if (!client) read_tls();
  if (tls != nullptr) warn_of_unknown_users(config, *tls, warnings);
  if (user) try_as_user(config, made, *user, mistakes, warnings);
  Grants needed = needed_grants(config, registry, *activity);
  add_at_start(needed, config);
  if (!client && !options.json && mistakes.size() == 0) print_sandbox(streams.out, config.server.sandbox, needed);
  for (const std::string& warning : warnings) log.logger()->warn("{}", warning);
  if (options.json)
    print_json(streams.out, {{"config", json_text(options.operand)},
                             {"ok", mistakes.size() == 0},
                             {"exports", std::move(exports)},
                             {"sandbox", sandbox_to_json(config.server.sandbox, needed)},
                             {"warnings", texts(warnings)},
                             {"mistakes", to_json(mistakes.all())}});
  log.flush();  // what the modules had to say comes first
  mistakes.throw_if_any();
  if (!options.json)
    streams.out << "OK: " << one_line(config.file.string()) << ": " << config.exports.size()
                << (config.exports.size() == 1 ? " export\n" : " exports\n");
  return exit_ok;
}

}  // namespace ashlar::host
