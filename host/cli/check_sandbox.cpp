#include "cli/check_sandbox.hpp"

#include "cli/words.hpp"
#include "config/text.hpp"
#include "sandbox/refused_calls.hpp"

namespace ashlar::host {
namespace {

const char* name(SandboxConfig::Mode mode) {
  switch (mode) {
    case SandboxConfig::Mode::off: return "off";
    case SandboxConfig::Mode::require: return "require";
    case SandboxConfig::Mode::automatic: break;
  }
  return "auto";
}

const char* words(FileAccess access) {
  switch (access) {
    case FileAccess::remove_folders: return "folders   ";
    case FileAccess::sockets: return "sockets   ";
    case FileAccess::read: return "reads     ";
    case FileAccess::write: break;
  }
  return "writes    ";
}

}  // namespace

void print_sandbox(std::ostream& out, const SandboxConfig& config, const Grants& needed) {
  out << "sandbox " << name(config.mode) << "\n";
  if (config.mode != SandboxConfig::Mode::off) {
    for (const Grant& grant : needed.all())
      out << "  " << words(grant.access) << one_line(grant.path.string()) << " (" << one_line(grant.why.words) << ")\n";
    const bool connects = !needed.connect().words.empty();
    out << "  connects  " << (connects ? "yes (" + one_line(needed.connect().words) + ")" : "no") << "\n";
  }
  out << "\n";
}

json::object sandbox_to_json(const SandboxConfig& config, const Grants& needed) {
  const bool connects = !needed.connect().words.empty();
  json::array allowed, refused;
  if (config.mode != SandboxConfig::Mode::off) {
    for (const Grant& grant : needed.all())
      allowed.push_back({{"path", json_text(grant.path.string())},
                         {"access", host::name(grant.access)},
                         {"why", json_text(grant.why.words)}});
    for (const char* const call : RefusedCalls::names(connects)) refused.push_back(call);
  }
  return {{"mode", name(config.mode)},
          {"connect", connects},
          {"allowed", std::move(allowed)},
          {"refused_calls", std::move(refused)}};
}

}  // namespace ashlar::host
