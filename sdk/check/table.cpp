// The module's table.
#include <ashlar/rules/table.hpp>
#include <cstring>
#include <filesystem>

#include "checks.hpp"

namespace ashlar::check {
namespace {

void check_entry(const Subject& s) {
  s.watch.begin(ASHLAR_ENTRY_SYMBOL);
  require(s.entry(ASHLAR_ABI_MAJOR) == &s.module, "it gives another table the second time");
  for (const std::uint32_t other : {ASHLAR_ABI_MAJOR + 1, 0u, UINT32_MAX}) {
    const ashlar_module* served = s.entry(other);
    require(served == nullptr || served->abi_major == other,
            "it claims to serve major " + std::to_string(other) + ", which it was not built for");
  }
  s.watch.end();
}

void check_version(const Subject& s) {
  const ashlar_module& m = s.module;
  // What is behind open came later; a table may end there.
  constexpr std::size_t least = offsetof(ashlar_module, extension);
  require(m.struct_size >= least,
          "the table has " + std::to_string(m.struct_size) + " bytes, this ABI's at least " + std::to_string(least));
  require(m.abi_major == ASHLAR_ABI_MAJOR, "it is of major " + std::to_string(m.abi_major));
  require(m.needs_minor <= ASHLAR_ABI_MINOR,
          "it needs ABI " + std::to_string(m.abi_major) + "." + std::to_string(m.needs_minor) + ", and this is " +
              std::to_string(ASHLAR_ABI_MAJOR) + "." + std::to_string(ASHLAR_ABI_MINOR));
}

void check_table(const Subject& s) {
  std::vector<std::string> faults = rules::faults_in_table(s.module);
  if (s.module.summary != nullptr && *s.module.summary == '\0') faults.push_back("its summary is empty");
  std::string all;
  for (const std::string& fault : faults) all += (all.empty() ? "" : "; ") + fault;
  require(all.empty(), all);
}

void check_name(const Subject& s) {
  const std::string fault = rules::fault_in_name(s.module, std::filesystem::path(s.options.file).stem().string());
  require(fault.empty(), fault);
}

}  // namespace

std::span<const Check> table_checks() {
  static constexpr Check checks[] = {
      {"entry", "gives the same table each time, for its major alone", &check_entry, true},
      {"version", "was built for this ABI", &check_version, true},
      {"table", "has a sound table", &check_table, true},
      {"name", "calls itself as its file is called", &check_name},
  };
  return checks;
}

}  // namespace ashlar::check
