#include "cli/words.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/foreign.hpp"
#include "config/did_you_mean.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

using Words = std::vector<std::string>;

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

// A word that begins with '-', taken apart: "--port=1", "-p1", "-p=1".
struct OptionWord {
  std::string name;
  std::optional<std::string> joined;  // the value within the word
};

OptionWord take_apart(const std::string& word) {
  const bool is_long = word.starts_with("--");
  const std::size_t end = is_long ? std::min(word.find('='), word.size()) : 2;
  if (end == word.size()) return {word, {}};
  return {word.substr(0, end), word.substr(word[end] == '=' ? end + 1 : end)};
}

// Reads the words one after the other, and notes the first fault and the command line as it should be.
class Reader {
 public:
  Reader(const Syntax& syntax, const Words& words) : syntax_(syntax), words_(words) {
    while (at_ < words_.size() && !help_) read_word();
    place_operands();
    if (host_ || port_)
      add_option({"--listen", "tcp:" + bracketed(host_.value_or("127.0.0.1")) + ":" + port_.value_or("10809")});
  }

  std::string fault() const {
    if (help_ || fault_.empty()) return {};
    return fault_ + (mended_ ? remedy_ + line() : "");
  }
  // The command line as it should be, if every word of it is understood.
  bool mended() const { return mended_; }
  std::string line() const {
    std::string text = "ashlar " + syntax_.command;
    for (const std::string& word : operands_) text += " " + shell_word(word);
    for (std::size_t i = operands_.size(); i < needed() && !help_; ++i) text += " " + syntax_.operands[i];
    for (const std::string& word : options_) text += " " + shell_word(word);
    return text;
  }

 private:
  void read_word() {
    const std::string& word = words_[at_++];
    if (!only_operands_ && word == "--") only_operands_ = true;
    else if (only_operands_ || !is_option(word)) operands_.push_back(word);
    else read_option(word);
    while (!more_letters_.empty()) read_option("-" + std::exchange(more_letters_, {}));
  }

  void read_option(const std::string& word) {
    const OptionWord option = take_apart(word);
    help_ = option.name == "-h" || option.name == "--help";
    if (const Syntax::Option* known = find(option.name)) return read_known(*known, option, word);
    const std::string_view following = at_ < words_.size() ? std::string_view(words_[at_]) : std::string_view();
    const std::string_view next = option.joined ? std::string_view(*option.joined) : following;
    const Foreign* const foreign = syntax_.command == "serve" ? find_foreign(option.name, next) : nullptr;
    if (foreign != nullptr) return replace(*foreign, option);
    std::vector<std::string> names;
    for (const Syntax::Option& one : syntax_.options) names.insert(names.end(), one.names.begin(), one.names.end());
    const auto meant = option.name.starts_with("--") ? nearest(option.name, names) : std::nullopt;
    if (!meant) return give_up(unknown(option.name) + "; see ashlar " + syntax_.command + " --help");
    note(unknown(option.name), "; did you mean: ");
    read_known(*find(*meant), {*meant, option.joined}, *meant + (option.joined ? "=" + *option.joined : ""));
  }

  void read_known(const Syntax::Option& known, const OptionWord& option, const std::string& word) {
    if (known.value.empty()) {
      add_option({option.joined && !word.starts_with("--") ? option.name : word});
      if (option.joined && !word.starts_with("--")) more_letters_ = *option.joined;
      return;
    }
    if (option.joined && !option.joined->empty()) return add_option({word});
    if (option.joined) {  // CLI11 would take the next word
      note(option.name + " has no value", "; write: ");
      return add_option({option.name, known.value});
    }
    if (at_ < words_.size() && !is_option(words_[at_])) return add_option({word, words_[at_++]});
    note(option.name + " has no value", "; write: ");
    add_option({word, known.value});
  }

  // Puts what `serve` has in the place of another server's option.
  void replace(const Foreign& foreign, const OptionWord& option) {
    using Becomes = Foreign::Becomes;
    const std::string name = unknown(option.name);
    std::optional<std::string> value;
    if (foreign.value != Foreign::Value::none) value = take_value(option);
    else if (option.joined && !option.name.starts_with("--")) more_letters_ = *option.joined;
    switch (foreign.becomes) {
      case Becomes::port: port_ = value.value_or("PORT"); break;
      case Becomes::host: host_ = value.value_or("HOST"); break;
      case Becomes::unix_path: add_option({"--listen", "unix:" + value.value_or("PATH")}); break;
      case Becomes::file: operands_.push_back(value.value_or("FILE")); break;
      case Becomes::read_only:
        if (read_only_by_config()) return give_up(name + "; write read_only = true below the [[export]] of the config");
        add_option({"--read-only"});
        break;
      case Becomes::nothing: return note(name + ", which can be left out: " + std::string(foreign.why), "; write: ");
      case Becomes::elsewhere: return give_up(name + "; " + std::string(foreign.why));
    }
    note(name, "; did you mean: ");
  }

  std::optional<std::string> take_value(const OptionWord& option) {
    if (option.joined) return option.joined;
    if (at_ < words_.size() && !is_option(words_[at_])) return words_[at_++];
    return std::nullopt;
  }

  // What is surplus may be what users of other servers put there; what is missing can be told.
  void place_operands() {
    if (syntax_.command == "serve" && operands_.size() == 2) {
      const std::string first = operands_[0];
      if (is_image_plugin(first)) {
        note("the plugin of an image need not be named", "; write: ");
        operands_ = {operands_[1].substr(operands_[1].find('=') + 1)};
      } else if (is_number(first) || is_number(operands_[1])) {
        port_ = is_number(first) ? first : operands_[1];
        note(in_quotes(*port_) + " is no file", "; did you mean: ");
        operands_ = {is_number(first) ? operands_[1] : first};
      }
    }
    if (syntax_.command == "new" && operands_.size() == 1 && operands_[0] != "plugin" && operands_[0] != "filter") {
      note("no KIND, plugin or filter", "; write: ");
      operands_.insert(operands_.begin(), "plugin");
    }
    const std::size_t most = syntax_.operands.size();
    if (operands_.size() > most && !syntax_.last_repeats)
      return give_up("takes " + all_operands() + "; take out " + in_quotes(operands_[most]));
    if (operands_.size() < needed()) note("no " + syntax_.operands[operands_.size()], "; write: ");
  }

  std::size_t needed() const { return syntax_.operands.size() - syntax_.optional; }

  std::string all_operands() const {
    if (syntax_.operands.empty()) return "no operand";
    std::string text = "one " + syntax_.operands[0];
    for (std::size_t i = 1; i < syntax_.operands.size(); ++i) text += " and one " + syntax_.operands[i];
    return text;
  }
  const Syntax::Option* find(const std::string& name) const {
    for (const Syntax::Option& one : syntax_.options)
      if (std::find(one.names.begin(), one.names.end(), name) != one.names.end()) return &one;
    return nullptr;
  }
  bool read_only_by_config() const {
    return std::any_of(words_.begin(), words_.end(), [](const std::string& word) { return word.ends_with(".toml"); });
  }
  static std::string unknown(const std::string& name) { return "unknown option " + in_quotes(name); }
  static std::string bracketed(const std::string& host) {
    return host.find(':') != std::string::npos && !host.starts_with('[') ? "[" + host + "]" : host;
  }

  void add_option(const Words& words) { options_.insert(options_.end(), words.begin(), words.end()); }
  // The first fault is told; the command line mends all of them.
  void note(const std::string& fault, const char* remedy) {
    if (!fault_.empty()) return;
    fault_ = fault;
    remedy_ = remedy;
  }
  // A fault for which no words can be told, which those that can be mended wait for.
  void give_up(const std::string& fault) {
    if (mended_) fault_ = fault;
    mended_ = false;
  }

  const Syntax& syntax_;
  const Words& words_;
  std::size_t at_ = 0;
  bool only_operands_ = false, help_ = false;
  std::string more_letters_;  // of a word such as "-vr", behind the first
  Words options_, operands_;
  std::optional<std::string> host_, port_;
  std::string fault_, remedy_;
  bool mended_ = true;
};

}  // namespace

std::string fault_in_words(const Syntax& syntax, const std::vector<std::string>& words) {
  return Reader(syntax, words).fault();
}

std::string meant_without_command(const Syntax& serve, const std::vector<std::string>& words) {
  const Reader reader(serve, words);
  return reader.mended() ? reader.line() : "";
}

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_image_plugin(std::string_view word) { return word == "file" || word == "block"; }

std::string shell_word(const std::string& word) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace ashlar::host
