// The module's table.
#include <filesystem>
#include <set>

#include "checks.hpp"

namespace ashlar::check {
namespace {

bool one_line(const char* text) { return text != nullptr && std::strchr(text, '\n') == nullptr; }

void check_entry(const Subject& s) {
  require(s.entry(ASHLAR_ABI_MAJOR) == &s.module, "another table the second time");
  require(s.entry(ASHLAR_ABI_MAJOR + 1) == nullptr || s.entry(ASHLAR_ABI_MAJOR + 1)->abi_major == ASHLAR_ABI_MAJOR + 1,
          "it claims to serve a major that does not exist yet");
}

void check_version(const ashlar_module& m) {
  // What is behind open came later; a table may end there.
  constexpr std::size_t least = offsetof(ashlar_module, extension);
  require(m.struct_size >= least,
          "the table has " + std::to_string(m.struct_size) + " bytes, this ABI's at least " + std::to_string(least));
  require(m.abi_major == ASHLAR_ABI_MAJOR, "major " + std::to_string(m.abi_major));
  require(m.needs_minor <= ASHLAR_ABI_MINOR, "needs minor " + std::to_string(m.needs_minor));
}

void check_names(const Subject& s) {
  const ashlar_module& m = s.module;
  require(m.name != nullptr && *m.name != '\0', "no name");
  require(std::filesystem::path(s.file).stem() == m.name, std::string("it calls itself ") + m.name);
  require(one_line(m.version), "no version in one line");
  require(one_line(m.summary) && *m.summary != '\0', "no summary in one line");
  require(m.kind == ASHLAR_PLUGIN || m.kind == ASHLAR_FILTER, "kind " + std::to_string(m.kind));
  require(m.threads == ASHLAR_SERIAL || m.threads == ASHLAR_PARALLEL, "threads " + std::to_string(m.threads));
}

void check_functions(const ashlar_module& m) {
  require(m.create != nullptr, "create is null");
  require(m.destroy != nullptr, "destroy is null");
  require(m.open != nullptr, "open is null");
}

void check_param(const ashlar_param& p) {
  const std::string who = std::string("parameter \"") + p.name + "\": ";
  require(p.struct_size >= sizeof(ashlar_param), who + "the row is too short");
  require(p.type <= ASHLAR_PARAM_SECRET, who + "type " + std::to_string(p.type));
  require(one_line(p.help) && *p.help != '\0', who + "no help in one line");
  require(p.minimum <= p.maximum, who + "the range is empty");
  const std::uint32_t type = p.type == ASHLAR_PARAM_LIST ? p.item : p.type;
  require((type == ASHLAR_PARAM_CHOICE) == (p.choices != nullptr), who + "choices and type do not go together");
  require(p.choices == nullptr || p.choices[0] != nullptr, who + "no choices");
  require(p.required == 0 || p.default_text == nullptr, who + "required, and has a default");
}

void check_params(const ashlar_module& m) {
  require(m.n_params == 0 || m.params != nullptr, "parameters are counted, but there are none");
  std::set<std::string> names;
  testing::Given needed;
  for (std::uint32_t i = 0; i < m.n_params; ++i) {
    require(m.params[i] != nullptr, "row " + std::to_string(i) + " is null");
    require(m.params[i]->name != nullptr && *m.params[i]->name != '\0', "row " + std::to_string(i) + " has no name");
    require(names.insert(m.params[i]->name).second, std::string("\"") + m.params[i]->name + "\" twice");
    check_param(*m.params[i]);
    if (const char* text = m.params[i]->default_text; text != nullptr) needed.emplace_back(m.params[i]->name, text);
  }
  // The defaults must be values that one could give. What is required is beside the point here.
  for (const auto& one : needed) {
    for (std::uint32_t i = 0; i < m.n_params; ++i) {
      if (one.first != m.params[i]->name) continue;
      ashlar_module row{};
      row.params = &m.params[i];
      row.n_params = 1;
      static_cast<void>(testing::Values(row, {one}));
    }
  }
}

}  // namespace

bool check_table(Report& report, const Subject& s) {
  const int before = report.broken_promises();
  report.promise("gives the same table each time, for its major alone", [&] { check_entry(s); });
  report.promise("was built for this ABI", [&] { check_version(s.module); });
  if (report.broken_promises() != before) return false;
  report.promise("says what it is", [&] { check_names(s); });
  report.promise("has its functions", [&] { check_functions(s.module); });
  report.promise("has a sound parameter table", [&] { check_params(s.module); });
  return report.broken_promises() == before;
}

}  // namespace ashlar::check
