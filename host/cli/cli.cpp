#include "cli/cli.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "cli/commands.hpp"
#include "cli/complete.hpp"
#include "cli/json.hpp"
#include "cli/syntax.hpp"
#include "cli/words.hpp"
#include "config/did_you_mean.hpp"
#include "config/text.hpp"
#include "tls/tls.hpp"
#include "trace/trace_command.hpp"

namespace ashlar::host {
namespace {

using Command = int (*)(const CommandOptions&, Streams);

std::string version_text() {
  return "ashlar " ASHLAR_VERSION " (ABI " + std::to_string(ASHLAR_ABI_MAJOR) + "." + std::to_string(ASHLAR_ABI_MINOR) +
         ")";
}

void repeatable(CLI::App& command, const std::string& name, std::vector<std::string>& into, const std::string& value,
                const std::string& help) {
  // One value each time, so that an operand behind it is not taken for a second one.
  command.add_option(name, into, help)->type_name(value)->allow_extra_args(false);
}

CLI::App& add_command(CLI::App& app, const std::string& name, const std::string& help, CommandOptions& options) {
  CLI::App& command = *app.add_subcommand(name, help);
  repeatable(command, "--module-path", options.module_path, "DIR",
             "Look for modules here before the built-in place; may be repeated");
  return command;
}

void add_operand(CLI::App& command, const std::string& name, const std::string& help, CommandOptions& options) {
  command.add_option(name, options.operand, help)->type_name("")->required();
}

void add_json(CLI::App& command, CommandOptions& options) {
  command.add_flag("--json", options.json, "Print JSON, for programs");
}

void add_serve(CLI::App& app, CommandOptions& options) {
  CLI::App& serve = add_command(app, "serve", "Serve the exports of a config, or one disk image", options);
  add_operand(serve, "FILE", "A config if its name ends in .toml or it is a pipe, else a disk image or block device",
              options);
  repeatable(serve, "--listen", options.listen, "ADDR",
             "tcp:HOST:PORT, unix:PATH or fd:NAME, instead of the config's addresses; may be repeated");
  serve.add_flag("-v,--verbose", options.verbose, "Log level debug; twice: trace");
  serve.add_option("--log-level", options.log_level, "trace, debug, info, warn or error, instead of the config's")
      ->type_name("LEVEL");
  serve.add_flag("--read-only", options.read_only, "Serve the image without allowing writes");
  serve.add_option("--name", options.name, "A name for the server, which stands in each line of its log")
      ->type_name("NAME");
  serve
      .add_option("--ready-fd", options.ready_fd,
                  "When clients can come, write READY=1 and one address a line to this descriptor, and close it")
      ->type_name("N");
  serve.add_flag("--exit-with-parent", options.exit_with_parent,
                 "Stop when the process ends that has started this one");
  serve
      .add_option(
          "--run", options.run,
          "Run a shell command, which finds $uri, $unixsocket and $port; stop when it ends, with its exit code. "
          "Without an address, listen at a private unix socket")
      ->type_name("COMMAND");
}

void add_probe(CLI::App& app, CommandOptions& options) {
  CLI::App& probe = add_command(
      app, "probe", "Show what the storage at a path can do: ways to zero and trim, holes, direct I/O", options);
  add_operand(probe, "PATH",
              "A file, folder or block device. It is never changed: things are tried on a scratch file beside it, of "
              "which nothing stays. A device is only asked",
              options);
  add_json(probe, options);
  probe.add_flag("--read-only", options.read_only, "Only ask; write no scratch file");
  probe.add_option("--plugin", options.plugin, "Ask this plugin, instead of block for devices and file for all else")
      ->type_name("NAME");
}

void add_new(CLI::App& app, CommandOptions& options) {
  CLI::App& project = *app.add_subcommand("new", "Write a small project to start a plugin or filter of your own from");
  project.add_option("KIND", options.kind, "plugin or filter")->type_name("")->required();
  add_operand(project, "NAME", "The module's name: letters a to z, digits and hyphens", options);
  project
      .add_option("--dir", options.dir, "The project's folder, which is made; without it, NAME in the current folder")
      ->type_name("DIR");
  project.add_flag("--c", options.in_c, "In C instead of C++; its test is in C++");
}

void add_certs(CLI::App& app, CommandOptions& options) {
  std::string help = "Make a CA, and certificates and keys of a server and its clients; later, add clients and renew";
  if (!lack_of_tls().empty()) help += " (not with this program, which was built without TLS)";
  CLI::App& certs = *app.add_subcommand("certs", help);
  add_operand(certs, "DIR",
              "The folder: DIR/server is what [server] tls.certificates takes, DIR/clients/NAME what qemu, libnbd and "
              "nbdkit take, DIR/keys.psk what tls.psk takes",
              options);
  repeatable(certs, "--server", options.hosts, "HOST[,ADDRESS...]",
             "The names and addresses that clients connect to; may be repeated. Needed the first time; later it renews "
             "the server's certificate");
  repeatable(certs, "--client", options.clients, "NAME", "Make or renew a client's certificate; may be repeated");
  repeatable(certs, "--psk", options.users, "USER", "Make a pre-shared key, unless the user has one; may be repeated");
  certs.add_option("--days", options.days, "How long certificates are good for; without it, 365")->type_name("N");
}

CLI::App& add_to_running(CLI::App& app, const std::string& name, const std::string& help, CommandOptions& options) {
  CLI::App& command = *app.add_subcommand(name, help);
  command
      .add_option("--control", options.control,
                  "The server's control socket; without it $ASHLAR_CONTROL, else unix:/run/ashlar/control.sock")
      ->type_name("ADDR");
  return command;
}

// Commands to a server that runs.
void add_operators_commands(CLI::App& app, CommandOptions& options) {
  add_json(add_to_running(app, "status", "Show a server's exports and clients", options), options);
  add_to_running(app, "top", "Show them live, with what they do", options);
  CLI::App& disconnect = add_to_running(app, "disconnect", "End a client's connection, or all to an export", options);
  disconnect.add_option("ID", options.operand, "The client's, as status shows it")->type_name("");
  disconnect.add_option("--export", options.export_name, "All clients of this export")->type_name("NAME");
  CLI::App& reload = add_to_running(app, "reload", "Have a server read its config anew and serve that", options);
  reload.add_flag("--drain", options.drain,
                  "End the clients of exports that are changed or removed, once their requests under way are answered");
  add_json(reload, options);
  add_to_running(app, "drain", "Take no new clients until a restart, and wait until the last has left", options);
  CLI::App& level = add_to_running(app, "log-level", "Set a server's log level", options);
  add_operand(level, "LEVEL", "trace, debug, info, warn or error", options);
  CLI::App& control = add_to_running(app, "control", "Have a layer of an export answer one of its verbs", options);
  add_operand(control, "LAYER",
              "EXPORT/TYPE, EXPORT/TYPE#2 for the second of a type, or EXPORT/TAG; */… of all exports", options);
  control.add_option("VERB", options.verb, "What it has: ashlar inspect TYPE, ashlar check")->type_name("")->required();
  control.add_option("ARGUMENT", options.arguments, "Of the verb")->type_name("");
}

// Has commands of its own, which parse the words behind it.
constexpr const char* trace_word = "trace";

void add_commands(CLI::App& app, CommandOptions& options) {
  add_serve(app, options);
  CLI::App& check = add_command(app, "check", "Check a config and show each export's chain, without serving", options);
  add_operand(check, "CONFIG", "The config", options);
  add_json(check, options);
  repeatable(check, "--as", options.as, "CLIENT",
             "Tell instead what such a client would see: psk=NAME, dn=NAME, uid=NUMBER, user=NAME, group=NAME, "
             "address=ADDRESS, several with commas between; may be repeated");
  add_json(add_command(app, "list", "List the plugins and filters", options), options);
  CLI::App& inspect = add_command(app, "inspect", "Describe a plugin or filter and its parameters", options);
  add_operand(inspect, "NAME", "Its name, or the path of its .so file", options);
  add_json(inspect, options);
  add_probe(app, options);
  add_new(app, options);
  add_certs(app, options);
  add_operators_commands(app, options);
  CLI::App& completion = *app.add_subcommand("completion", "Print what a shell reads to complete command lines");
  add_operand(completion, "SHELL", "bash, zsh or fish", options);
  app.add_subcommand(trace_word, "Answers from what the filter trace has written; ashlar trace --help");
}

int completion_of(const CommandOptions& options, Streams streams) {
  return completion_command(options.operand, streams);
}

// Throws std::logic_error for a command of add_commands() that is missing here.
Command command_called(const std::string& name) {
  constexpr std::pair<std::string_view, Command> commands[] = {
      {"serve", serve_command},     {"check", check_command},         {"list", list_command},
      {"inspect", inspect_command}, {"probe", probe_command},         {"new", new_command},
      {"certs", certs_command},     {"status", status_command},       {"disconnect", disconnect_command},
      {"drain", drain_command},     {"log-level", log_level_command}, {"control", control_command},
      {"top", top_command},         {"reload", reload_command},       {"completion", completion_of}};
  for (const auto& [known, command] : commands)
    if (known == name) return command;
  throw std::logic_error("no function for the command " + name);
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// What somebody means who has written no command first; empty: that cannot be told.
std::string meant_line(const CLI::App& app, const std::vector<std::string>& args) {
  const auto names = command_names(app);
  std::vector<std::string> words = args;
  if (const auto later = std::find_first_of(words.begin(), words.end(), names.begin(), names.end());
      later != words.end()) {
    const std::string command = *later;
    words.erase(later);
    return meant_without_command(syntax_of(*app.get_subcommand(command)), words);
  }
  if (const auto near = nearest(args[0], names)) {
    words.erase(words.begin());
    return meant_without_command(syntax_of(*app.get_subcommand(*near)), words);
  }
  std::error_code error;
  const bool is_file = args[0].find_first_of("./") != std::string::npos || std::filesystem::exists(args[0], error);
  const bool plugin_or_port = args.size() > 1 && (is_image_plugin(args[0]) || is_number(args[0]));
  if (!is_file && !plugin_or_port && !args[0].starts_with('-')) return {};
  return meant_without_command(syntax_of(*app.get_subcommand("serve")), words);
}

// CLI11 takes an unknown command for a surplus argument of no command at all; say what it is instead.
void refuse_unknown_command(const CLI::App& app, const std::vector<std::string>& args) {
  const auto names = command_names(app);
  if (args.empty()) throw UsageError("no command; " + did_you_mean("", names));
  if (std::find(names.begin(), names.end(), args[0]) != names.end()) return;
  for (const char* known : {"-h", "--help", "-V", "--version"})
    if (args[0] == known) return;
  const std::string word = in_quotes(args[0]);
  const std::string meant = meant_line(app, args);
  if (args[0].starts_with('-')) {
    if (meant.empty()) throw UsageError("unknown option " + word + "; see ashlar --help");
    throw UsageError("no command before the option " + word + "; did you mean: " + meant);
  }
  throw UsageError("unknown command " + word + "; " +
                   (meant.empty() ? did_you_mean(args[0], names) : "did you mean: " + meant));
}

// Before CLI11 sees them, which tells of what is wrong from back to front and of nothing to do.
void refuse_unknown_words(const CLI::App& app, const std::vector<std::string>& args) {
  if (args[0].starts_with('-')) return;  // the program's own
  const Syntax syntax = syntax_of(*app.get_subcommand(args[0]));
  if (const std::string fault = fault_in_words(syntax, {args.begin() + 1, args.end()}); !fault.empty())
    throw UsageError(args[0] + ": " + fault);
}

// Each command with what it takes, `trace report` and the like, too.
std::vector<Syntax> all_syntaxes(const CLI::App& app) {
  std::vector<Syntax> all;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() != trace_word) all.push_back(syntax_of(*command));
    else
      for (Syntax& one : trace_syntaxes()) all.push_back(std::move(one));
  }
  return all;
}

int print_all_syntaxes(const CLI::App& app, Streams streams) {
  json::array all;
  for (const Syntax& syntax : all_syntaxes(app)) all.push_back(to_json(syntax));
  print_json(streams.out, all);
  return exit_ok;
}

// The words `help` and `version` for the options of that name.
std::vector<std::string> with_options_for_words(std::vector<std::string> args) {
  if (args.empty()) return args;
  if (args[0] == "version") return {"--version"};
  if (args[0] != "help") return args;
  if (args.size() == 1) return {"--help"};
  return {args[1], "--help"};
}

int parse_and_run(std::vector<std::string> args, Streams streams) {
  CLI::App app("An NBD server of plugins and filters", "ashlar");
  CommandOptions options;
  app.set_version_flag("-V,--version", version_text(), "Print the version and exit");
  app.require_subcommand(1);
  add_commands(app, options);
  if (args == std::vector<std::string>{"help", "--json"}) return print_all_syntaxes(app, streams);
  if (!args.empty() && args[0] == "complete")
    return complete_command(all_syntaxes(app), {args.begin() + 1, args.end()}, streams);
  args = with_options_for_words(std::move(args));
  refuse_unknown_command(app, args);
  if (args[0] == trace_word) return trace_command({args.begin() + 1, args.end()}, streams.out, streams.err);
  refuse_unknown_words(app, args);
  try {
    std::reverse(args.begin(), args.end());  // as CLI11 wants them
    app.parse(args);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version, streams.out, streams.err);
  } catch (const CLI::ParseError& e) {
    throw UsageError(std::string(e.what()) + "; see ashlar --help");
  }
  return command_called(app.get_subcommands().front()->get_name())(options, streams);
}

int run_and_report(std::vector<std::string> args, Streams streams) {
  try {
    const int code = parse_and_run(std::move(args), streams);
    if (!streams.out.flush() && code == exit_ok) throw std::runtime_error("cannot write to stdout");
    return code;
  } catch (const ConfigError& e) {
    // Without the program's name before it, so that editors find the place.
    streams.err << std::string(e.what()) + "\n" << std::flush;
    return exit_usage;
  } catch (const ModuleError& e) {
    print_mistake(streams.err, e.what());
    return exit_usage;
  } catch (const UsageError& e) {
    print_mistake(streams.err, e.what());
    return exit_usage;
  } catch (const std::exception& e) {
    print_mistake(streams.err, e.what());
    return exit_failure;
  }
}

// Since then /dev/null stands in its place, open for reading alone.
constinit bool stdout_was_closed = false;

}  // namespace

void print_mistake(std::ostream& err, const std::string& text) {
  err << "ashlar: " + one_line(text) + "\n" << std::flush;
}

int run(std::vector<std::string> args, std::ostream& out, std::ostream& err) noexcept {
  try {
    return run_and_report(std::move(args), {out, err});
  } catch (...) {
    return exit_failure;  // not even the report could be made
  }
}

bool prepare_process() noexcept {
  // A stdout that is closed takes nothing, and what cannot be printed there is told as a failure.
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      if (::open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd) {
        const char* const why = std::strerror(errno);
        ::dprintf(STDERR_FILENO, "ashlar: descriptor %d is closed, and /dev/null cannot be opened in its place: %s\n",
                  fd, why);
        return false;
      }
      stdout_was_closed = stdout_was_closed || fd == STDOUT_FILENO;
    }
  for (const int number : {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2}) std::signal(number, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGCHLD, SIG_DFL);  // ignored, as whoever started us may have left it, it would lose how a command ended
  return true;
}

void let_commands_print() noexcept {
  if (!stdout_was_closed) return;
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere < 0) return;
  ::dup2(nowhere, STDOUT_FILENO);
  ::close(nowhere);
}

}  // namespace ashlar::host
