#include "cli/syntax.hpp"

#include <CLI/CLI.hpp>

namespace ashlar::host {

Syntax syntax_of(const CLI::App& command) {
  Syntax syntax{.command = command.get_name(), .operands = {}, .options = {}, .help = command.get_description()};
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) {
      syntax.operands.push_back(option->get_name());
      syntax.operand_help.push_back(option->get_description());
      if (!option->get_required()) ++syntax.optional;
      syntax.last_repeats = option->get_expected_max() > 1;
      continue;
    }
    Syntax::Option& one = syntax.options.emplace_back();
    for (const std::string& name : option->get_snames()) one.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) one.names.push_back("--" + name);
    if (option->get_items_expected_max() > 0) one.value = option->get_type_name();
    one.help = option->get_description();
    one.required = option->get_required();
  }
  return syntax;
}

json::object to_json(const Syntax& syntax) {
  json::array operands, options;
  for (std::size_t i = 0; i < syntax.operands.size(); ++i) {
    const bool last = i + 1 == syntax.operands.size();
    operands.push_back(json::object{{"name", syntax.operands[i]},
                                    {"required", i + syntax.optional < syntax.operands.size()},
                                    {"repeats", last && syntax.last_repeats},
                                    {"help", syntax.operand_help[i]}});
  }
  for (const Syntax::Option& option : syntax.options) {
    json::array names(option.names.begin(), option.names.end());
    json::value value = option.value.empty() ? json::value(nullptr) : json::value(option.value);
    options.push_back(json::object{{"names", std::move(names)},
                                   {"value", std::move(value)},
                                   {"required", option.required},
                                   {"help", option.help}});
  }
  return {{"command", syntax.command},
          {"help", syntax.help},
          {"operands", std::move(operands)},
          {"options", std::move(options)}};
}

}  // namespace ashlar::host
