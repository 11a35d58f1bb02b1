#include "trace/trace_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <sstream>

#include "config/did_you_mean.hpp"
#include "config/text.hpp"
#include "format/record.hpp"
#include "trace/interrupt.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host {
namespace {

using namespace traces;

// Stands for all words of a command whose syntax is asked for; parse() throws it then. It is no word that a shell can
// hand over.
const Words only_syntax{std::string(1, '\0')};

void print_help(std::ostream& out) {
  out << "Answers from what the filter trace has written\n\nUsage: ashlar trace COMMAND TRACE… "
         "[OPTIONS]\n\nCommands:\n";
  const std::vector<Syntax> built = trace_syntaxes();
  for (const Subcommand& one : subcommands) {
    const bool here = std::any_of(built.begin(), built.end(), [&](const Syntax& syntax) {
      return syntax.command == std::string("trace ") + one.name;
    });
    out << "  " << one.name << std::string(12 - std::string(one.name).size(), ' ') << one.help
        << (here ? "\n" : " (this build leaves it out)\n");
  }
  out << "\nashlar trace COMMAND --help tells of each.\n";
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Subcommand& one : subcommands) all.emplace_back(one.name);
  return all;
}

int dispatch(const Words& words, Streams streams) {
  if (words.empty()) throw UsageError("no command; " + did_you_mean("", names()));
  if (words[0] == "-h" || words[0] == "--help" || words[0] == "help") {
    print_help(streams.out);
    return exit_ok;
  }
  for (const Subcommand& one : subcommands) {
    if (words[0] != one.name) continue;
    try {
      const int code = one.run({words.begin() + 1, words.end()}, streams);
      if (!streams.out.flush() && code == exit_ok) throw std::runtime_error("cannot write to stdout");
      return code;
    } catch (const UsageError& e) {
      throw UsageError(words[0] + ": " + e.what());
    }
  }
  throw UsageError("unknown command " + in_quotes(words[0]) + "; " + did_you_mean(words[0], names()));
}

// A shell makes an empty word of a variable that is not set; it is not as if the option were not there.
void refuse_empty(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& one : option->results())
      if (one.empty()) throw UsageError(option->get_name() + " is empty; see " + app.get_name() + " --help");
}

}  // namespace

bool traces::parse(CLI::App& app, const Words& words, Streams streams) {
  if (words == only_syntax) throw syntax_of(app);
  Words reversed(words.rbegin(), words.rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
    refuse_empty(app);
    return true;
  } catch (const CLI::Success& help) {
    app.exit(help, streams.out, streams.err);
    return false;
  } catch (const CLI::ParseError& e) {
    throw UsageError(std::string(e.what()) + "; see " + app.get_name() + " --help");
  }
}

std::string traces::whole_number(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos)
    return in_quotes(text) + " is no whole number of 0 or more";
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? "" : in_quotes(text) + " is more than " + std::to_string(UINT64_MAX);
}

std::vector<Syntax> trace_syntaxes() {
  std::vector<Syntax> all;
  std::ostringstream none;
  for (const Subcommand& one : subcommands) {
    try {
      one.run(only_syntax, {none, none});
    } catch (Syntax& syntax) {
      syntax.command = std::string("trace ") + one.name;
      all.push_back(std::move(syntax));
    } catch (const UsageError&) {
      continue;  // this build leaves it out
    }
  }
  return all;
}

int trace_command(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  const auto told = [&err](const std::string& text, int code) {
    err << "ashlar: trace: " + one_line(text) + "\n" << std::flush;
    return code;
  };
  try {
    return dispatch(words, {out, err});
  } catch (const UsageError& e) {
    return told(e.what(), exit_usage);
  } catch (const Interrupted& e) {
    told(e.what(), exit_failure);
    Interrupt::end();
  } catch (const std::exception& e) {
    return told(e.what(), exit_failure);
  }
}

}  // namespace ashlar::host
