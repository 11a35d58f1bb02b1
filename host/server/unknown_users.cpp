#include "server/unknown_users.hpp"

#include "access/access.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

void look_at(const AccessRules& allow, const Config& config, Tls& tls, std::vector<std::string>& warnings) {
  if (config.server.tls.psk.empty()) return;  // a mistake, which is told as such
  for (const AccessRule& rule : allow.rules)
    if (rule.psk && !tls.knows_user(*rule.psk))
      warnings.push_back("the rule " + rule.text + " in " + place_in_words(allow, rule.line) + " fits nobody now: " +
                         config.server.tls.psk.string() + " has no key of " + in_quotes(*rule.psk));
}

}  // namespace

void warn_of_unknown_users(const Config& config, Tls& tls, std::vector<std::string>& warnings) {
  if (config.server.allow) look_at(*config.server.allow, config, tls, warnings);
  for (const ExportConfig& own : config.exports)
    if (own.allow) look_at(*own.allow, config, tls, warnings);
}

}  // namespace ashlar::host
