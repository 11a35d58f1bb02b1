#include "options.hpp"

#include <charconv>
#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "runner.hpp"

namespace ashlar::check {

std::string usage() {
  return "usage: ashlar-check [OPTION ...] MODULE.so [KEY=VALUE ...]\n"
         "\n"
         "Loads a module, gives it the parameters, and prints a line for each promise: kept, BROKEN, or - where it is\n"
         "not made. Filters are tried over a disk in memory. A plugin's data are read only, unless --write allows to\n"
         "overwrite them. Each check runs in a process of its own and may take " +
         std::to_string(Runner::patience.count()) +
         " seconds without a step. What\ncannot be tried in the time that all of them may take is told as not tried.\n"
         "\n"
         "  --write          overwrite what the plugin serves\n"
         "  --only PATTERNS  only the checks whose names fit a pattern, '*' and '?' as in a shell, ',' between two\n"
         "  --seed N         another sequence of random requests (1)\n"
         "  --time SECONDS   all checks together may take so long (60)\n"
         "  --json           print one JSON object\n"
         "  -v               the module's log on stderr\n"
         "  --in-process     all checks in this process, for a debugger\n"
         "  -h, --help       print this\n"
         "\n"
         "Exit code: 0 all kept, 1 one broken or not tried, 2 wrong usage, or a module that refuses the parameters.\n";
}

namespace {

// Reads the words of the command line, one after the other.
class Reader {
 public:
  Reader(int argc, char** argv) : argc_(argc), argv_(argv) {}

  Options read() {
    while (at_ < argc_) {
      const std::string word = argv_[at_++];
      if (word.starts_with('-')) option(word);
      else if (options_.file.empty()) module(word);
      else parameter(word);
    }
    if (!options_.help && options_.file.empty()) throw std::invalid_argument("which module?");
    return options_;
  }

 private:
  std::string value(std::string_view option, std::string_view word) {
    if (word.size() > option.size()) return std::string(word.substr(option.size() + 1));
    if (at_ == argc_) throw std::invalid_argument(std::string(option) + " needs a value");
    return argv_[at_++];
  }
  static bool is(std::string_view option, std::string_view word) {
    return word == option || (word.starts_with(option) && word[option.size()] == '=');
  }
  void option(std::string_view word) {
    if (word == "--write") options_.write = true;
    else if (word == "--json") options_.json = true;
    else if (word == "-v") options_.verbose = true;
    else if (word == "--in-process") options_.in_process = true;
    else if (word == "--help" || word == "-h") options_.help = true;
    else if (is("--only", word)) only(value("--only", word));
    else if (is("--seed", word)) options_.seed = number("--seed", value("--seed", word));
    else if (is("--time", word)) options_.time = seconds("--time", value("--time", word));
    else throw std::invalid_argument("there is no option " + std::string(word));
  }
  void only(const std::string& patterns) {
    if (patterns.empty()) throw std::invalid_argument("--only needs the name of a check");
    options_.only = patterns;
  }
  static std::uint64_t number(const std::string& option, const std::string& text) {
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size())
      throw std::invalid_argument(option + " " + text + " is not a number");
    return n;
  }
  static std::chrono::seconds seconds(const std::string& option, const std::string& text) {
    const std::uint64_t n = number(option, text);
    if (n == 0 || n > 86400) throw std::invalid_argument(option + " " + text + " is not between 1 and 86400");
    return std::chrono::seconds(n);
  }
  void module(const std::string& word) {
    if (!std::filesystem::is_regular_file(word)) throw std::invalid_argument(word + " is not a file");
    options_.file = std::filesystem::absolute(word).string();  // without a slash the linker would look elsewhere
  }
  void parameter(const std::string& word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::invalid_argument(word + " is not KEY=VALUE");
    const std::string key = word.substr(0, equals);
    for (const auto& [name, value] : options_.given)
      if (name == key) throw std::invalid_argument("the parameter " + key + " is given twice");
    options_.given.emplace_back(key, word.substr(equals + 1));
  }

  const int argc_;
  char** const argv_;
  int at_ = 1;
  Options options_;
};

}  // namespace

Options parse_options(int argc, char** argv) { return Reader(argc, argv).read(); }

}  // namespace ashlar::check
