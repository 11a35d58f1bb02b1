// Commands that talk to a running server by its control socket.
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <utility>

#include "cli/ask_server.hpp"
#include "cli/json.hpp"
#include "cli/table.hpp"
#include "config/text.hpp"
#include "server/counted.hpp"
#include "server/differences.hpp"

namespace ashlar::host {
namespace {

std::string text(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  return json::serialize(value);
}

// "tcp" clients by their address, the others by process and user.
std::string who(const json::object& client) {
  std::string out = client.contains("address") ? "tcp:" + text(client.at("address"))
                    : client.contains("pid")   ? "unix:pid=" + text(client.at("pid")) + ",uid=" + text(client.at("uid"))
                                               : "?";
  if (client.contains("tls")) out += " (" + text(client.at("tls")) + ")";
  return out;
}

std::string ops_text(const json::object& ops) {
  std::string out;
  for (const auto& [op, number] : ops)
    if (number.to_number<std::uint64_t>() != 0) out += (out.empty() ? "" : ", ") + text(number) + " " + std::string(op);
  return out.empty() ? "no requests" : out;
}

// Of a client that was told another size than those who come now.
std::string of_other_size(const json::object& client, const json::object& of) {
  if (!of.contains("size") || client.at("size") == of.at("size")) return "";
  return ", was told " + text(client.at("size")) + " bytes";
}

void print_export(std::ostream& out, const json::object& one) {
  std::string chain;
  for (const json::value& layer : one.at("chain").as_array()) chain += (chain.empty() ? "" : " > ") + text(layer);
  if (one.contains("removed")) chain = "removed";
  if (one.contains("is_template")) chain = "template of " + chain;
  out << "\nexport " << in_quotes(text(one.at("name"))) << ": " << (chain.empty() ? "not there yet" : one_line(chain))
      << (one.contains("size") ? ", " + text(one.at("size")) + " bytes large" : "")
      << (one.at("read_only").as_bool() ? ", read-only" : "") << "\n  " << ops_text(one.at("ops").as_object()) << ", "
      << text(one.at("bytes")) << " bytes, " << text(one.at("errors")) << " errors\n";
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : one.at("clients").as_array()) {
    const json::object& client = value.as_object();
    rows.push_back({text(client.at("id")), who(client), "since " + text(client.at("since")),
                    ops_text(client.at("ops").as_object()), text(client.at("bytes")) + " bytes",
                    text(client.at("in_flight")) + " in flight",
                    text(client.at("memory")) + " bytes of memory" + of_other_size(client, one)});
  }
  print_table(out, "  client ", rows);
}

// What the layers have said; of those that have refused the first is left to code_of().
void print_answers(const json::array& answers, Streams streams) {
  bool refused = false;
  for (const json::value& one : answers) {
    const json::object& of = one.as_object();
    if (const json::value* const said = of.if_contains("answer")) {
      if (answers.size() > 1) streams.out << one_line(text(of.at("export"))) << ":\n";
      const std::string lines = text(*said);
      streams.out << lines << (lines.empty() || lines.ends_with('\n') ? "" : "\n");
    } else if (std::exchange(refused, true)) {
      print_mistake(streams.err, text(of.at("error")));
    }
  }
}

using Wait = ControlClient::Wait;

// Asks the server; of an answer that is no refusal `print` says more.
template <class Print>
int ask(const CommandOptions& options, Streams streams, const json::object& command, Wait wait, Print print) {
  ControlClient server = server_of(options);
  const json::object answer = server.ask(command, wait);
  const int code = code_of(answer, streams);
  if (code == exit_ok) server.reading([&] { print(answer); });
  return code;
}

}  // namespace

ControlClient server_of(const CommandOptions& options) {
  if (options.control && options.control->empty())
    throw UsageError("--control: the address is empty; write one such as unix:/run/ashlar/control.sock");
  try {
    return ControlClient(control_address(options.control.value_or("")));
  } catch (const std::invalid_argument& e) {
    throw UsageError((options.control ? "--control: " : "$ASHLAR_CONTROL: ") + std::string(e.what()));
  }
}

int code_of(const json::object& answer, Streams streams) {
  if (answer.at("ok").as_bool()) return exit_ok;
  print_mistake(streams.err, text(answer.at("error")));
  const json::value* const code = answer.if_contains("code");
  return code != nullptr && *code == exit_usage ? exit_usage : exit_failure;
}

int status_command(const CommandOptions& options, Streams streams) {
  return ask(options, streams, {{"command", "status"}}, Wait::for_patience, [&](const json::object& answer) {
    const json::object& status = answer.at("status").as_object();
    if (options.json) {
      print_json(streams.out, status);
      return;
    }
    const auto seconds = static_cast<std::uint64_t>(status.at("uptime").to_number<double>());
    streams.out << "ashlar " << text(status.at("version")) << ", for " << seconds << " s, "
                << counted(status.at("connections").to_number<std::size_t>(), "connection", "connections")
                << (status.at("draining").as_bool() ? ", takes no new clients" : "");
    if (const json::value* const number = status.if_contains("turned_away"); number != nullptr && *number != 0)
      streams.out << ", " << text(*number) << " clients turned away";
    streams.out << "\n";
    for (const json::value& one : status.at("exports").as_array()) print_export(streams.out, one.as_object());
  });
}

int disconnect_command(const CommandOptions& options, Streams streams) {
  if (options.operand.empty() != options.export_name.has_value())
    throw UsageError("disconnect: name either a client's ID or --export NAME");
  json::object command{{"command", "disconnect"}};
  if (options.export_name) {
    command["export"] = *options.export_name;
  } else {
    std::uint64_t id = 0;
    const char* const end = options.operand.data() + options.operand.size();
    const auto [rest, error] = std::from_chars(options.operand.data(), end, id);
    if (error != std::errc{} || rest != end)
      throw UsageError("disconnect: " + in_quotes(options.operand) + " is no ID; ashlar status shows them");
    command["id"] = id;
  }
  return ask(options, streams, command, Wait::for_patience,
             [&](const json::object& answer) { streams.out << text(answer.at("disconnected")) << " disconnected\n"; });
}

int reload_command(const CommandOptions& options, Streams streams) {
  ControlClient server = server_of(options);
  const json::object answer = server.ask({{"command", "reload"}, {"drain", options.drain}}, Wait::for_long);
  if (const json::value* const mistakes = answer.if_contains("mistakes"))
    server.reading([&] {
      for (const json::value& line : mistakes->as_array()) streams.err << one_line(text(line)) << "\n";
    });
  if (options.json) {
    print_json(streams.out, answer);
    streams.out << "\n";
  }
  const int code = code_of(answer, streams);
  if (code == exit_ok && !options.json)
    for (const std::string& line : server.reading([&] { return lines_of(answer); })) streams.out << line << "\n";
  return code;
}

int drain_command(const CommandOptions& options, Streams streams) {
  return ask(options, streams, {{"command", "drain"}}, Wait::for_long, [](const json::object&) {});
}

int log_level_command(const CommandOptions& options, Streams streams) {
  return ask(options, streams, {{"command", "log-level"}, {"level", options.operand}}, Wait::for_patience,
             [](const json::object&) {});
}

int control_command(const CommandOptions& options, Streams streams) {
  json::array arguments(options.arguments.begin(), options.arguments.end());
  const json::object command{
      {"command", "control"}, {"layer", options.operand}, {"verb", options.verb}, {"arguments", std::move(arguments)}};
  ControlClient server = server_of(options);
  const json::object answer = server.ask(command, Wait::for_long);
  if (const json::value* const answers = answer.if_contains("answers"))
    server.reading([&] { print_answers(answers->as_array(), streams); });
  return code_of(answer, streams);
}

}  // namespace ashlar::host
