#include "cli/complete.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "cli/commands.hpp"
#include "cli/completion_scripts.hpp"
#include "config/did_you_mean.hpp"
#include "config/log_level.hpp"
#include "config/text.hpp"
#include "control/client.hpp"

namespace ashlar::host {
namespace {

using Words = std::vector<std::string>;

// The words that are whole already, and what is to be completed.
class Line {
 public:
  // `words` stand behind the command; the last is the one that is being typed.
  Line(const Syntax& syntax, const Words& words) : syntax_(syntax), typed_(words.back()) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) read(words[i]);
  }

  const Syntax& syntax() const { return syntax_; }
  const std::string& typed() const { return typed_; }
  // The option whose value is being typed; null: none.
  const Syntax::Option* pending() const { return pending_; }
  bool only_operands() const { return only_operands_; }
  const Words& operands() const { return operands_; }
  std::string value_of(const std::string& option) const {
    const auto found = values_.find(option);
    return found == values_.end() ? "" : found->second;
  }
  const Syntax::Option* option_called(const std::string& name) const {
    for (const Syntax::Option& one : syntax_.options)
      if (std::find(one.names.begin(), one.names.end(), name) != one.names.end()) return &one;
    return nullptr;
  }

 private:
  void read(const std::string& word) {
    if (pending_ != nullptr) {
      values_[pending_->names.back()] = word;
      pending_ = nullptr;
    } else if (only_operands_ || !word.starts_with('-')) {
      operands_.push_back(word);
    } else if (word == "--") {
      only_operands_ = true;
    } else if (const std::size_t sign = word.find('='); sign != std::string::npos) {
      values_[word.substr(0, sign)] = word.substr(sign + 1);
    } else if (const Syntax::Option* option = option_called(word); option != nullptr && !option->value.empty()) {
      pending_ = option;
    }
  }

  const Syntax& syntax_;
  const std::string typed_;
  const Syntax::Option* pending_ = nullptr;
  bool only_operands_ = false;
  Words operands_;
  std::map<std::string, std::string> values_;
};

class Completer {
 public:
  Completer(const std::vector<Syntax>& commands, std::ostream& out) : commands_(commands), out_(out) {}

  void complete(Words words) {
    if (words.empty()) words.emplace_back();
    if (words.size() == 1) return commands(words[0], "");
    if (words[0] == "help") return words.size() == 2 ? commands(words[1], "") : void();
    if (words[0] == "trace") {
      if (words.size() == 2) return commands(words[1], "trace ");
      words[1] = "trace " + words[1];
      words.erase(words.begin());
    }
    for (const Syntax& syntax : commands_)
      if (syntax.command == words[0]) return complete(Line(syntax, {words.begin() + 1, words.end()}));
  }

 private:
  void tell(const std::string& typed, const std::string& word, const std::string& help = "") {
    if (word.starts_with(typed)) out_ << word << '\t' << one_line(help) << '\n';
  }

  // The commands that are called so; those behind "trace" have that before them.
  void commands(const std::string& typed, const std::string& prefix) {
    bool trace_told = false;
    for (const Syntax& syntax : commands_) {
      const bool of_trace = syntax.command.starts_with("trace ");
      if (!prefix.empty()) {
        if (of_trace) tell(typed, syntax.command.substr(prefix.size()), syntax.help);
      } else if (!of_trace) {
        tell(typed, syntax.command, syntax.help);
      } else if (!std::exchange(trace_told, true)) {
        tell(typed, "trace", "Answers from what the filter trace has written");
      }
    }
    if (!prefix.empty()) return;
    tell(typed, "help", "Tell of a command");
    if (!typed.starts_with('-')) return;
    tell(typed, "--help", "Tell of the commands");
    tell(typed, "--version", "Print the version");
  }

  void complete(const Line& line) {
    if (line.pending() != nullptr) return value(line, *line.pending(), line.typed(), "");
    if (line.typed().starts_with('-') && !line.only_operands()) {
      const std::size_t sign = line.typed().find('=');
      if (sign == std::string::npos) return options(line);
      const std::string name = line.typed().substr(0, sign);
      if (const Syntax::Option* option = line.option_called(name); option != nullptr && !option->value.empty())
        value(line, *option, line.typed().substr(sign + 1), name + "=");
      return;
    }
    operand(line);
  }

  void options(const Line& line) {
    for (const Syntax::Option& option : line.syntax().options)
      for (const std::string& name : option.names)
        if (name.starts_with("--") || line.typed() == "-") tell(line.typed(), name, option.help);
  }

  // What an option's value may be; each word is told with `before` in front.
  void value(const Line& line, const Syntax::Option& option, const std::string& typed, const std::string& before) {
    const std::string& name = option.names.back();
    Words all;
    if (name == "--plugin") all = modules(line, ModuleKind::plugin);
    else if (name == "--export") all = exports(line);
    else if (name == "--as") all = {"psk=", "dn=", "uid=", "user=", "group=", "address="};
    else if (option.value == "ADDR") all = {"tcp:", "unix:", "fd:"};
    else if (option.value == "LEVEL") all.assign(log_level_names().begin(), log_level_names().end());
    else if (option.value == "OP") all = {"read", "write", "flush", "trim", "zero", "cache", "extents"};
    else if (option.value.find('|') != std::string::npos) all = alternatives(option.value);
    else if (option.value == "DIR" && before.empty()) out_ << ":folders\n";
    else if ((option.value == "FILE" || option.value == "BASE") && before.empty()) out_ << ":files\n";
    for (const std::string& word : all)
      if (word.starts_with(typed)) tell("", before + word);
  }

  // The words among "flush|all|N".
  static Words alternatives(const std::string& value) {
    Words all;
    std::istringstream in(value);
    for (std::string one; std::getline(in, one, '|');)
      if (std::islower(static_cast<unsigned char>(one[0])) != 0) all.push_back(one);
    return all;
  }

  void operand(const Line& line) {
    const Syntax& syntax = line.syntax();
    if (syntax.operands.empty()) return;
    std::size_t at = line.operands().size();
    if (at >= syntax.operands.size()) {
      if (!syntax.last_repeats) return;
      at = syntax.operands.size() - 1;
    }
    const std::string& name = syntax.operands[at];
    Words all;
    if (syntax.command == "inspect") {
      all = modules(line, {});
      if (line.typed().find('/') != std::string::npos) out_ << ":files\n";
    } else if (name == "KIND") {
      all = {"plugin", "filter"};
    } else if (name == "SHELL") {
      all = {"bash", "zsh", "fish"};
    } else if (name == "LEVEL") {
      all.assign(log_level_names().begin(), log_level_names().end());
    } else if (name == "ID") {
      return clients(line);
    } else if (name == "LAYER") {
      all = layers(line);
    } else if (name == "DIR") {
      out_ << ":folders\n";
    } else if (syntax.command == "serve" || syntax.command == "check" || syntax.command == "probe" ||
               syntax.command.starts_with("trace ")) {
      if (name != "URI") out_ << ":files\n";
    }
    for (const std::string& word : all) tell(line.typed(), word);
  }

  static Words modules(const Line& line, std::optional<ModuleKind> kind) {
    CommandOptions options;
    if (const std::string folder = line.value_of("--module-path"); !folder.empty()) options.module_path = {folder};
    Registry registry(module_folders(options));
    Words names;
    for (const Registry::Found& found : registry.list())
      if (found.library != nullptr && (!kind || found.kind == *kind)) names.push_back(found.name);
    return names;
  }

  // The exports of the running server.
  static json::array status(const Line& line) {
    ::alarm(1);
    const json::object answer = ControlClient(control_address(line.value_of("--control")))
                                    .ask({{"command", "status"}}, ControlClient::Wait::for_patience);
    return answer.at("status").at("exports").as_array();
  }
  static std::string text(const json::value& value) { return std::string(value.as_string()); }
  static Words exports(const Line& line) {
    Words names;
    for (const json::value& one : status(line)) names.push_back(text(one.at("name")));
    return names;
  }
  void clients(const Line& line) {
    for (const json::value& one : status(line))
      for (const json::value& client : one.at("clients").as_array())
        tell(line.typed(), std::to_string(client.at("id").to_number<std::uint64_t>()), text(one.at("name")));
  }
  static Words layers(const Line& line) {
    Words names;
    for (const json::value& one : status(line)) {
      std::map<std::string, int> counts;
      for (const json::value& layer : one.at("chain").as_array()) {
        const int number = ++counts[text(layer)];
        names.push_back(text(one.at("name")) + "/" + text(layer) + (number > 1 ? "#" + std::to_string(number) : ""));
      }
    }
    return names;
  }

  const std::vector<Syntax>& commands_;
  std::ostream& out_;
};

}  // namespace

int complete_command(const std::vector<Syntax>& commands, const std::vector<std::string>& words, Streams streams) {
  try {
    Completer(commands, streams.out).complete(words);
  } catch (const std::exception&) {
    return exit_ok;  // no server there, no such folder: nothing is known, and nobody has asked why
  }
  return exit_ok;
}

int completion_command(const std::string& shell, Streams streams) {
  constexpr std::pair<const char*, const char*> scripts[] = {
      {"bash", completion_scripts::bash}, {"zsh", completion_scripts::zsh}, {"fish", completion_scripts::fish}};
  for (const auto& [name, script] : scripts) {
    if (shell != name) continue;
    streams.out << script;
    return exit_ok;
  }
  throw UsageError("unknown shell " + in_quotes(shell) + "; " + did_you_mean(shell, Words{"bash", "zsh", "fish"}));
}

}  // namespace ashlar::host
