#include "server/commands.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "chain/template.hpp"
#include "cli/json.hpp"
#include "config/did_you_mean.hpp"
#include "config/log_level.hpp"
#include "config/text.hpp"
#include "log/level.hpp"
#include "server/background.hpp"
#include "server/layer_address.hpp"
#include "server/status.hpp"

namespace ashlar::host {
namespace {

// The exit codes of those who ask.
constexpr int code_failed = 1, code_usage = 2;

// Why a command is not carried out.
class Refused : public std::runtime_error {
 public:
  explicit Refused(const std::string& why, int code = code_usage) : std::runtime_error(why), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

json::object refusal(const std::string& why, int code) {
  return {{"ok", false}, {"code", code}, {"error", json_text(why)}};
}

// The string of `key`; throws Refused when it is missing or none.
std::string text_of(const json::object& command, const char* key) {
  const json::value* const value = command.if_contains(key);
  if (value == nullptr) throw Refused("the key " + in_quotes(key) + " is missing");
  if (!value->is_string()) throw Refused("the key " + in_quotes(key) + " is no string");
  return std::string(value->get_string());
}

std::vector<std::string> texts_of(const json::object& command, const char* key) {
  std::vector<std::string> texts;
  const json::value* const value = command.if_contains(key);
  if (value == nullptr) return texts;
  if (!value->is_array()) throw Refused("the key " + in_quotes(key) + " is no array");
  for (const json::value& one : value->get_array()) {
    if (!one.is_string()) throw Refused("the key " + in_quotes(key) + " has an item that is no string");
    texts.emplace_back(one.get_string());
  }
  return texts;
}

// The exports that `name` is of: one, or all that a template stands for now.
std::vector<std::shared_ptr<Export>> exports_named(const std::string& name, const Exports& exports) {
  std::vector<std::string> names;
  std::vector<std::shared_ptr<Export>> found;
  for (const auto& one : exports) {
    const Template* const of = one->as_template();
    if (one->name() == name) return of != nullptr ? of->exports() : std::vector{one};
    if (of != nullptr && found.empty())
      if (auto made = of->find(name)) found.push_back(std::move(made));
    names.push_back(one->name());
  }
  if (found.empty()) throw Refused("no export " + in_quotes(name) + "; " + did_you_mean(name, names));
  return found;
}

// With those that templates stand for now.
std::vector<std::shared_ptr<Export>> all_exports(const Exports& exports) {
  std::vector<std::shared_ptr<Export>> all;
  for (const auto& one : exports) {
    if (const Template* const of = one->as_template()) {
      for (auto& made : of->exports()) all.push_back(std::move(made));
    } else {
      all.push_back(one);
    }
  }
  return all;
}

// One layer whose verb is to be called.
struct Called {
  std::shared_ptr<Export> of;
  std::size_t index;
};

// Throws Refused when there is none.
std::vector<Called> layers_at(const LayerAddress& address, const Exports& exports) {
  const auto asked = address.all_exports ? all_exports(exports) : exports_named(address.exported, exports);
  if (asked.empty()) throw Refused("no export is open that " + in_quotes(address.exported) + " stands for");
  std::vector<Called> layers;
  for (const auto& one : asked)
    if (const auto index = find_layer(*one, address)) layers.push_back({one, *index});
  if (layers.empty() && asked.size() == 1 && !address.all_exports) {
    const std::vector<std::string> names = layer_names(*asked.front());
    throw Refused("export " + in_quotes(address.exported) + " has no layer " + in_quotes(address.layer) + "; " +
                  (names.empty() ? "it has not been opened yet" : did_you_mean(address.layer, names)));
  }
  if (layers.empty()) throw Refused("no export has a layer " + in_quotes(address.layer));
  return layers;
}

// Whether several are meant, of which some may be read-only.
bool is_group(const LayerAddress& address) {
  return address.all_exports || address.exported.find('*') != address.exported.npos;
}

// What the layers have answered, one after another; those behind one that refuses are asked, too, unless the caller has
// gone. A verb that writes has nothing to do where nothing is written: within a group that is no refusal.
json::object call(const std::vector<Called>& layers, bool group, const std::string& verb,
                  const std::vector<std::string>& arguments, const std::atomic<bool>& gone) {
  json::array answers;
  json::object answer{{"ok", true}};
  for (const Called& one : layers) {
    if (gone.load()) break;
    Cancellation cancellation([&] { return gone.load() || one.of->activity().stopped(); });
    try {
      const std::string text = one.of->call_verb(one.index, verb, arguments, &cancellation);
      answers.push_back({{"export", json_text(one.of->name())}, {"answer", json_text(text)}});
    } catch (const std::exception& e) {
      const auto* const failed = dynamic_cast<const VerbError*>(&e);
      if (group && one.of->read_only() && failed != nullptr && failed->status() == EROFS) {
        answers.push_back({{"export", json_text(one.of->name())}, {"answer", "left out: the export is read-only"}});
        continue;
      }
      const bool asked_wrong = failed != nullptr && (failed->status() == ENOENT || failed->status() == EINVAL);
      if (answer.at("ok").as_bool()) answer = refusal(e.what(), asked_wrong ? code_usage : code_failed);
      answers.push_back({{"export", json_text(one.of->name())}, {"error", json_text(e.what())}});
    }
  }
  answer["answers"] = std::move(answers);
  return answer;
}

// What the layers at `address` answer, or why none is asked. Throws std::bad_alloc.
json::object answer_of(const Exports& exports, const LayerAddress& address, const std::string& verb,
                       const std::vector<std::string>& arguments, const std::atomic<bool>& gone) {
  try {
    return call(layers_at(address, exports), is_group(address), verb, arguments, gone);
  } catch (const Refused& e) {
    return refusal(e.what(), e.code());
  }
}

}  // namespace

Commands::Commands(boost::asio::io_context& io, SessionContext& context, Connections& connections, Reloader& reloader)
    : io_(io), context_(context), connections_(connections), reloader_(reloader) {}

void Commands::removed(const Export& exported) {
  forget_those_without_clients();
  removed_.push_back({exported.name(), exported.description(), exported.read_only(), exported.accounts()});
}

void Commands::add_clients_of_removed(std::set<std::uint64_t>& to) const {
  for (const RemovedExport& one : removed_)
    one.accounts->for_each([&](const Account& client) { to.insert(client.connection()); });
}

void Commands::forget_those_without_clients() {
  std::erase_if(removed_, [](const RemovedExport& one) { return one.accounts->connections() == 0; });
}

Commands::Carry Commands::function_of(const std::string& name) {
  constexpr std::pair<const char*, Carry> commands[] = {
      {"status", &Commands::status},       {"disconnect", &Commands::disconnect}, {"drain", &Commands::drain},
      {"log-level", &Commands::log_level}, {"control", &Commands::verb},          {"reload", &Commands::reload}};
  std::vector<std::string> names;
  for (const auto& [known, function] : commands) {
    if (name == known) return function;
    names.emplace_back(known);
  }
  throw Refused("no command " + in_quotes(name) + "; " + did_you_mean(name, names));
}

void Commands::carry_out(const json::object& command, const Caller& caller) noexcept {
  json::object refused;
  try {
    return (this->*function_of(text_of(command, "command")))(command, caller);
  } catch (const Refused& e) {
    refused = refusal(e.what(), e.code());
  } catch (const std::invalid_argument& e) {
    refused = refusal(e.what(), code_usage);
  } catch (const std::exception& e) {
    refused = refusal(e.what(), code_failed);
  }
  caller.answer(std::move(refused));
}

void Commands::status(const json::object&, const Caller& caller) {
  forget_those_without_clients();
  json::object status = status_of(*context_.exports.get(), removed_, connections_, started_);
  caller.answer({{"ok", true}, {"status", std::move(status)}});
}

// Of the exports that are served by this name or by the template of this name, and of those that were.
std::set<std::shared_ptr<Accounts>> Commands::accounts_of(const std::string& name) const {
  std::set<std::shared_ptr<Accounts>> all;
  for (const RemovedExport& one : removed_)
    if (one.name == name) all.insert(one.accounts);
  std::vector<std::string> names;
  bool is_served = false;
  const auto exports = context_.exports.get();
  for (const auto& one : *exports) {
    is_served = is_served || one->name() == name;
    names.push_back(one->name());
    one->each([&](const Export& served) {
      if (served.name() == name || one->name() == name) all.insert(served.accounts());
    });
  }
  if (all.empty() && !is_served) throw Refused("no export " + in_quotes(name) + "; " + did_you_mean(name, names));
  return all;
}

void Commands::disconnect(const json::object& command, const Caller& caller) {
  std::vector<std::uint64_t> numbers;
  if (const json::value* const id = command.if_contains("id")) {
    boost::system::error_code error;
    numbers.push_back(id->to_number<std::uint64_t>(error));
    if (error) throw Refused("the key \"id\" is no number of a client");
  } else {
    for (const auto& accounts : accounts_of(text_of(command, "export")))
      accounts->for_each([&](const Account& one) { numbers.push_back(one.connection()); });
  }
  std::uint64_t ended = 0;
  for (const std::uint64_t number : numbers) ended += connections_.disconnect(number) ? 1 : 0;
  if (ended == 0 && command.contains("id"))
    throw Refused("no client has the ID " + std::to_string(numbers[0]), code_failed);
  context_.log->info("an operator ended {} {}", ended, ended == 1 ? "connection" : "connections");
  caller.answer({{"ok", true}, {"disconnected", ended}});
}

void Commands::drain(const json::object&, const Caller& caller) {
  if (!connections_.draining()) context_.log->info("an operator drains the server: no new clients are taken");
  connections_.drain([answer = caller.answer] { answer({{"ok", true}}); });
}

void Commands::log_level(const json::object& command, const Caller& caller) {
  const std::string text = text_of(command, "level");
  const auto level = parse_log_level(text);
  if (!level) throw Refused("no level " + in_quotes(text) + "; " + did_you_mean(text, log_level_names()));
  context_.log->set_level(to_spdlog(*level));
  caller.answer({{"ok", true}});
}

void Commands::reload(const json::object& command, const Caller& caller) {
  const json::value* const drain = command.if_contains("drain");
  if (drain != nullptr && !drain->is_bool()) throw Refused("the key \"drain\" is neither true nor false");
  reloader_.reload(drain != nullptr && drain->get_bool(), caller.answer);
}

void Commands::verb(const json::object& command, const Caller& caller) {
  const LayerAddress address = parse_layer_address(text_of(command, "layer"));
  const std::string verb = text_of(command, "verb");
  const std::vector<std::string> arguments = texts_of(command, "arguments");
  // The exports are looked up there, too: who lets go of one last calls modules.
  in_background(
      io_, context_.executor,
      [address, verb, arguments, &served = context_.exports, gone = caller.gone] {
        try {
          return answer_of(*served.get(), address, verb, arguments, *gone);
        } catch (const std::bad_alloc&) {
          return json::object();
        }
      },
      [answer = caller.answer](json::object result) {
        answer(result.empty() ? refusal("out of memory", code_failed) : std::move(result));
      });
}

}  // namespace ashlar::host
