#include "cli/skeleton.hpp"

#include "config/text.hpp"
#include "module/parameter.hpp"

namespace ashlar::host {
namespace {

// A value as a config would have it. `text`: without quotes, as in a table.
std::string value(std::uint32_t type, const std::string& text) {
  const bool bare = type == ASHLAR_PARAM_BOOL || type == ASHLAR_PARAM_INT ||
                    (type == ASHLAR_PARAM_SIZE && text.find_first_not_of("0123456789") == text.npos);
  return bare ? text : in_quotes(text);
}

// What stands for a value that somebody has to think of.
std::string example(const ashlar_param& row) {
  switch (row.type) {
    case ASHLAR_PARAM_LIST: return "[" + example(item_row(row)) + "]";
    case ASHLAR_PARAM_BOOL: return "true";
    case ASHLAR_PARAM_INT: return std::to_string(row.minimum > 0 ? row.minimum : row.maximum < 0 ? row.maximum : 0);
    case ASHLAR_PARAM_SIZE: return std::to_string(row.minimum);
    case ASHLAR_PARAM_CHOICE: return in_quotes(row.choices[0]);
    case ASHLAR_PARAM_PATH: return "\"/path\"";
    case ASHLAR_PARAM_SECRET: return "{ file = \"/path\" }";
    default: return "\"\"";
  }
}

}  // namespace

std::string skeleton(const ashlar_module& table, const std::string& module, const std::string& indent) {
  std::string out = indent + (table.kind == ASHLAR_PLUGIN ? "[export.plugin]\n" : "[[export.filter]]\n");
  out += indent + "type = " + in_quotes(module) + "\n";
  for (const bool needed : {true, false})
    for (std::uint32_t i = 0; i < table.n_params; ++i) {
      const ashlar_param& row = *table.params[i];
      if ((row.required != 0) != needed) continue;
      const std::string what = row.default_text != nullptr ? value(row.type, row.default_text) : example(row);
      out += indent + (needed ? "" : "# ") + row.name + " = " + what + "  # " + one_line(row.help) + "\n";
    }
  return out;
}

}  // namespace ashlar::host
