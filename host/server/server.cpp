#include "server/server.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <semaphore>
#include <set>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "chain/activity.hpp"
#include "chain/chain.hpp"
#include "chain/open_error.hpp"
#include "log/level.hpp"
#include "metrics/http_server.hpp"
#include "sandbox/needed_grants.hpp"
#include "sandbox/sandbox.hpp"
#include "server/commands.hpp"
#include "server/connections.hpp"
#include "server/differences.hpp"
#include "server/handler_memory.hpp"
#include "server/reloader.hpp"
#include "server/server_metrics.hpp"
#include "server/supervision.hpp"
#include "server/tls_files.hpp"
#include "server/watch.hpp"
#include "spawn/privileges.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;

// Told to stop, the server ends within five seconds. For so long replies that are under way may take to reach their
// clients:
constexpr std::chrono::milliseconds grace{3000};
// For so long modules may take to return:
constexpr std::chrono::milliseconds patience{4500};
// And for so long the log may take to be read, in which they are named then.
constexpr std::chrono::milliseconds last_lines{300};

// How often the log is told how many warnings have come again.
constexpr std::chrono::seconds between_repeats{5};

protocol::TlsMode mode_of(const TlsConfig& tls) {
  switch (tls.mode) {
    case TlsConfig::Mode::allow: return protocol::TlsMode::allow;
    case TlsConfig::Mode::require: return protocol::TlsMode::require;
    case TlsConfig::Mode::off: break;
  }
  return protocol::TlsMode::off;
}

// A descriptor per client, and a few for the backends: as many as we may have. Returns the limit from before.
rlimit raise_descriptor_limit() {
  rlimit before{};
  if (::getrlimit(RLIMIT_NOFILE, &before) != 0) return {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  const rlimit raised{.rlim_cur = before.rlim_max, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &raised);
  return before;
}

std::string counted(std::size_t n, const char* one, const char* several) {
  return std::to_string(n) + " " + (n == 1 ? one : several);
}

// Two threads: the loop's, which hears signals, clients and timers from the first moment to the last and never waits
// for a module; and the modules', which creates what is served and in the end destroys it, and may wait for ever.
//
//   modules' thread: create_all            (waits)                              destroy_all
//   the loop's:      (waits)     created   begin_serving ... stop ... all_ended  (waits)     destroyed
class Server {
 public:
  Server(const Config& config, const Mistakes& found, Registry& registry, Log& log, Starter& starter,
         ConfigSource source, const rlimit& descriptors)
      : mistakes_(found),
        source_(std::move(source)),
        registry_(registry),
        log_(log),
        starter_(starter),
        maker_(io_, registry, log.logger(), activity_,
               [this](const Config& wanted, Registry& modules, Mistakes& mistakes) {
                 refuse_outside_sandbox(wanted, modules, mistakes);
               }),
        supervision_(io_, starter, log, descriptors,
                     {.stop = [this](const char* why) { told_to_stop(why); },
                      .command_over = [this] { end_if_over(); },
                      .status = [this] { return status(); }}) {
    setup_.config = std::make_shared<const Config>(config);
    setup_.exports = std::make_shared<const Exports>();
  }
  int run();

 private:
  using Clock = std::chrono::steady_clock;

  // [the modules' thread]
  void create_and_destroy() noexcept;
  void create_all();
  Doors listen_at(const std::vector<ListenAddress>& addresses);
  void change_user();
  void make_sandbox();
  void refuse_outside_sandbox(const Config& config, Registry& modules, Mistakes& mistakes) const;
  void destroy_all();

  // [the loop's thread]
  void loop();
  void created();
  void begin_serving();
  void make_commands();
  void make_reloader();
  void open(const Doors& listen, const Doors& control, const Doors& metrics);
  void report_failure();
  void tell_repeats();
  void wait_for_signal();
  void heard(int signal);
  json::object take_up(Setup next, bool end_clients);
  void take_up_exports(const Setup& next, const Differences& what, bool end_clients);
  void take_up_limits(const ServerConfig& own, const ServerConfig& before);
  std::shared_ptr<const SessionSettings> settings() const;
  void told_to_stop(const char* why);
  void stop(const char* why);
  void end_if_over();
  std::string status() const;
  void time_is_up();
  void break_off(const char* why);
  void close_listeners();
  [[noreturn]] void leave();
  void name_what_is_left();

  Mistakes mistakes_;
  const ConfigSource source_;
  Registry& registry_;
  Log& log_;
  const Starter& starter_;

  const std::shared_ptr<Activity> activity_ = Activity::make();
  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGHUP};  // from here on they wait to be heard
  const std::shared_ptr<HandlerMemory> signal_memory_ = std::make_shared<HandlerMemory>();
  Timer stop_timer_{io_, [this] { time_is_up(); }};
  Timer repeats_timer_{io_, [this] { tell_repeats(); }};
  Wakeup created_{io_, [this] { created(); }};
  Wakeup destroyed_{io_, [this] {
                      is_destroyed_ = true;
                      end_if_over();
                    }};
  SetupMaker maker_;
  Supervision supervision_;

  Setup setup_;  // what is served; until all is created, the modules' thread has it
  std::optional<Sandbox> sandbox_;
  std::exception_ptr failure_;
  std::mutex listening_;
  Doors first_doors_;  // under listening_, while the modules' thread makes them
  std::binary_semaphore may_destroy_{0};

  std::unique_ptr<SessionContext> context_;
  std::optional<Connections> connections_;  // outlives the threads of the executor, which is in context_
  std::optional<TlsFiles> tls_files_;
  std::optional<Reloader> reloader_;
  std::optional<Commands> commands_;
  std::optional<ControlServer> control_;
  std::optional<HttpServer> http_;
  bool reload_when_ready_ = false;  // somebody has asked for it too early
  bool is_created_ = false, is_destroyed_ = false;
  unsigned times_told_ = 0;  // to stop
  Clock::time_point told_at_;
};

int Server::run() {
  wait_for_signal();
  std::thread modules(&Server::create_and_destroy, this);
  loop();
  modules.join();
  if (failure_) std::rethrow_exception(failure_);
  return supervision_.exit_code();
}

// Nothing that a client or the want of memory can do ends the loop.
void Server::loop() {
  for (;;) {
    try {
      io_.run();
      return;
    } catch (const std::exception& e) {
      log_.logger()->error("an event could not be dealt with: {}", e.what());
    }
  }
}

void Server::create_and_destroy() noexcept {
  try {
    create_all();
  } catch (const Stopped&) {
    // Asked to stop before it had begun: then nothing is served.
  } catch (...) {
    failure_ = std::current_exception();
  }
  created_.ring();
  may_destroy_.acquire();
  destroy_all();
  destroyed_.ring();
}

void Server::create_all() {
  const Config& config = *setup_.config;
  setup_.exports = maker_.make_exports(config, registry_, {}, mistakes_);
  setup_.tls = maker_.make_tls(config, mistakes_);
  mistakes_.throw_if_any();
  setup_.listen = listen_at(config.server.listen);
  if (config.server.control) setup_.control = listen_at({*config.server.control});
  if (config.server.metrics) setup_.metrics = listen_at({*config.server.metrics});
  if (config.server.user || config.server.group) change_user();
  make_sandbox();
  for (const auto& exported : *setup_.exports) exported->begin_serving();
}

// From now on each client's backend is opened as that user: what it may not open is told now, and not to clients.
void Server::change_user() {
  const std::string who = give_up_privileges(setup_.config->server.user, setup_.config->server.group);
  log_.logger()->info("the server is {} now", who);
  for (std::size_t i = 0; i < setup_.exports->size(); ++i) {
    try {
      (*setup_.exports)[i]->open();
    } catch (const OpenError& e) {
      if (!setup_.config->exports[i].optional) throw std::runtime_error("as " + who + ": " + e.what());
      log_.logger()->warn("as {}: {}; it is optional, and will be tried again for each client", who, e.what());
    }
  }
}

void Server::make_sandbox() {
  const Config& config = *setup_.config;
  if (config.server.sandbox.mode == SandboxConfig::Mode::off) return;
  Grants needed = needed_grants(config, registry_, *activity_);
  if (starter_.private_folder != nullptr)
    needed.add(starter_.private_folder->path().parent_path(), FileAccess::remove_folders, "--run");
  sandbox_.emplace(config.server.sandbox, std::move(needed), log_.logger());
}

// A file that cannot be opened would be told as such, but not why, and not that a restart helps.
void Server::refuse_outside_sandbox(const Config& config, Registry& modules, Mistakes& mistakes) const {
  if (!sandbox_) return;
  const Grants needed = needed_grants(config, modules, *activity_);
  if (sandbox_->misses_connect(needed))
    mistakes.add(ConfigError(config.file, {},
                             "connecting to others (" + needed.connect() +
                                 ") is outside of the sandbox that the server is in since it was started; restart the "
                                 "server"));
  for (const Grant& grant : sandbox_->missing(needed))
    mistakes.add(ConfigError(config.file, {},
                             grant.path.string() + " (" + grant.why +
                                 ") is outside of the sandbox that the server is " +
                                 "in since it was started; restart the server, or name the path in sandbox"));
}

// May take long, too: a name has to be looked up. Who stops closes the doors that are there by then.
Doors Server::listen_at(const std::vector<ListenAddress>& addresses) {
  const auto keepalive = static_cast<unsigned>(setup_.config->server.keepalive.count());
  return make_doors(io_, addresses, {}, keepalive, [this](const Door& door) {
    const std::lock_guard<std::mutex> lock(listening_);
    activity_->check();
    first_doors_.push_back(door);
  });
}

// The executor goes first, and with it the last thread that was in a module. A library is unloaded by the layer that
// uses it last, so that it is known which one does not unload.
void Server::destroy_all() {
  context_.reset();
  maker_.let_go();
  if (reloader_) reloader_->discard();
  setup_.exports.reset();
}

void Server::created() {
  is_created_ = true;
  if (times_told_ != 0) {
    report_failure();
  } else if (!failure_) {
    try {
      return begin_serving();
    } catch (...) {
      failure_ = std::current_exception();
      control_.reset();
      commands_.reset();
      reloader_.reset();
      connections_.reset();
      tls_files_.reset();
    }
  }
  close_listeners();
  may_destroy_.release();
}

// Of a start that was cut short: it matters no more, but it is not lost.
void Server::report_failure() {
  try {
    if (failure_) std::rethrow_exception(std::exchange(failure_, {}));
  } catch (const std::exception& e) {
    log_.logger()->error("{}", e.what());
  } catch (...) {
    log_.logger()->error("the start has failed");
  }
}

void Server::begin_serving() {
  const ServerConfig& own = setup_.config->server;
  context_.reset(new SessionContext{.log = log_.logger(),
                                    .repeats = Repeats(log_.logger()),
                                    .exports = ServedExports(setup_.exports),
                                    .settings = settings(),
                                    .pool = BufferPool(BufferPool::limits_for(own.max_memory)),
                                    .workers = Workers(own.workers)});
  tls_files_.emplace(io_, context_->executor, log_.logger());
  tls_files_->look_at(setup_.tls);
  connections_.emplace(io_, *context_, own.max_connections);
  make_reloader();
  make_commands();
  open(setup_.listen, setup_.control, setup_.metrics);
  first_doors_.clear();
  repeats_timer_.set(Clock::now() + between_repeats);
  log_.flush();  // who waits for "listening on" finds in the log what was wrong at the start
  const std::vector<std::string> addresses = addresses_of(setup_.listen);
  for (const std::string& address : addresses) std::printf("listening on %s\n", address.c_str());
  std::fflush(stdout);
  supervision_.run_command(addresses, own.tls.mode == TlsConfig::Mode::require);
  if (sandbox_) sandbox_->enter();  // the command is not in it, and no client has come in yet
  supervision_.ready(addresses);
  if (reload_when_ready_) reloader_->reload(false, {});
}

std::shared_ptr<const SessionSettings> Server::settings() const {
  const ServerConfig& own = setup_.config->server;
  return std::make_shared<const SessionSettings>(
      SessionSettings{.max_payload = protocol::payload_limits(own.max_payload),
                      .handshake_timeout = own.handshake_timeout,
                      .busy_poll = own.busy_poll,
                      .tls_mode = mode_of(own.tls),
                      .tls = setup_.tls});
}

// What is for operators: the control socket, and where figures are told.
void Server::make_commands() {
  const auto complain = [this](const std::string& complaint) { log_.logger()->warn("{}", complaint); };
  commands_.emplace(io_, *context_, *connections_, *reloader_);
  control_.emplace(
      io_,
      [this](const json::object& command, const Commands::Answer& answer) { commands_->carry_out(command, answer); },
      complain);
  http_.emplace(
      io_,
      HttpServer::Source{
          .metrics = [this](Exposition::Format format) { return metrics_text(*context_, *connections_, format); },
          .ready = [this] { return times_told_ == 0 && !connections_->draining(); }},
      complain);
}

// Begins to accept clients at these doors.
void Server::open(const Doors& listen, const Doors& control, const Doors& metrics) {
  for (const Door& door : listen)
    for (const auto& listener : door.listeners)
      listener->start(
          [this](std::unique_ptr<Socket> socket, const Peer& peer) { connections_->add(std::move(socket), peer); },
          [this](const std::string& complaint) { log_.logger()->warn("{}", complaint); });
  for (const Door& door : control)
    for (const auto& listener : door.listeners) {
      log_.logger()->info("takes commands at {}", listener->address());
      control_->serve(*listener);
    }
  for (const Door& door : metrics)
    for (const auto& listener : door.listeners) {
      log_.logger()->info("tells figures at {}/metrics", listener->address());
      http_->serve(*listener);
    }
}

void Server::make_reloader() {
  reloader_.emplace(
      io_, context_->executor, log_.logger(), source_.why_not,
      Reloader::Hooks{.begins = [this] { supervision_.reloading(); },
                      .make = [this] { return maker_.make(source_, setup_); },
                      .take_up = [this](Setup next, bool end_clients) { return take_up(std::move(next), end_clients); },
                      .over = [this] { supervision_.reloaded(); }});
}

// Nothing here fails but by want of memory: what could has been tried while it was made.
json::object Server::take_up(Setup next, bool end_clients) {
  const Differences what = differences(setup_, next);
  take_up_exports(next, what, end_clients);
  const Setup before = std::exchange(setup_, std::move(next));
  context_->settings = settings();
  take_up_limits(setup_.config->server, before.config->server);
  tls_files_->look_at(setup_.tls);
  open(doors_without(setup_.listen, before.listen), doors_without(setup_.control, before.control),
       doors_without(setup_.metrics, before.metrics));
  close_doors(doors_without(before.listen, setup_.listen));
  close_doors(doors_without(before.control, setup_.control));
  close_doors(doors_without(before.metrics, setup_.metrics));
  json::object answer = to_json(what);
  answer["ok"] = true;
  return answer;
}

// Clients of exports that are no longer served are ended before others can come to what takes their place, which counts
// its clients together with them.
void Server::take_up_exports(const Setup& next, const Differences& what, bool end_clients) {
  std::set<const Export*> served;
  for (const auto& exported : *next.exports) served.insert(exported.get());
  const std::set<std::string> removed(what.removed.begin(), what.removed.end());
  std::set<std::string> others(what.changed.begin(), what.changed.end());
  others.insert(removed.begin(), removed.end());
  std::set<std::uint64_t> leaving;
  for (const auto& exported : *setup_.exports) {
    if (served.contains(exported.get())) continue;
    const bool leave = end_clients && others.contains(exported->name());
    exported->retire(leave);
    if (leave) exported->accounts()->for_each([&](const Account& one) { leaving.insert(one.connection()); });
    if (removed.contains(exported->name())) commands_->removed(*exported);
  }
  connections_->end(leaving);
  reloader_->let_go_of(context_->exports.exchange(next.exports));
}

void Server::take_up_limits(const ServerConfig& own, const ServerConfig& before) {
  context_->pool.set_limits(BufferPool::limits_for(own.max_memory));
  context_->workers.set_most(own.workers);
  connections_->set_most(own.max_connections);
  // An operator may have set another, which stays unless the config has changed.
  if (own.log_level != before.log_level) log_.logger()->set_level(to_spdlog(own.log_level));
  for (const Door& door : setup_.listen)
    for (const auto& listener : door.listeners) listener->set_keepalive(static_cast<unsigned>(own.keepalive.count()));
}

void Server::tell_repeats() {
  if (times_told_ != 0) return;
  repeats_timer_.set(Clock::now() + between_repeats);
  context_->repeats.tell_due();
  for (const auto& exported : *setup_.exports) exported->tell_repeats();
  reloader_->let_go_of_rest();
}

void Server::wait_for_signal() {
  signals_.async_wait(HandlerIn(signal_memory_, [this](const boost::system::error_code& error, int signal) {
    if (error) return;
    wait_for_signal();
    heard(signal);
  }));
}

void Server::heard(int signal) {
  if (signal != SIGHUP) return told_to_stop(signal == SIGTERM ? "SIGTERM" : "SIGINT");
  if (reloader_) reloader_->reload(false, {});
  else reload_when_ready_ = true;
}

void Server::told_to_stop(const char* why) {
  switch (++times_told_) {
    case 1: return stop(why);
    case 2: return break_off("told to stop again");
    default: leave();
  }
}

// Acts first: the log may take its time.
void Server::stop(const char* why) {
  told_at_ = Clock::now();
  stop_timer_.set(told_at_ + grace);
  activity_->stop();
  if (tls_files_) tls_files_->stop();
  if (reloader_) reloader_->stop();
  if (connections_) connections_->stop([this] { may_destroy_.release(); });
  close_listeners();
  supervision_.stopping();
  activity_->under_way();  // what it sees now it knows to be so old at least when it looks again
  log_.logger()->info("{}: stopping", why);
}

void Server::end_if_over() {
  if (is_destroyed_ && !supervision_.command_runs()) io_.stop();
}

// For people who look at a service manager.
std::string Server::status() const {
  return counted(setup_.config->exports.size(), "export", "exports") + ", " +
         counted(connections_ ? connections_->size() : 0, "client", "clients");
}

void Server::time_is_up() {
  if (Clock::now() >= told_at_ + patience) leave();
  stop_timer_.set(told_at_ + patience);
  break_off("the time for replies is over");
}

void Server::break_off(const char* why) {
  supervision_.kill_command();
  if (!connections_ || connections_->size() == 0) return;
  const std::size_t all = connections_->size(), deaf = connections_->not_taking_replies();
  connections_->break_off();
  log_.logger()->warn("{}: {} broken off", why, counted(all, "connection is", "connections are"));
  if (deaf != 0)
    log_.logger()->warn("{}", counted(deaf, "client does not take its replies", "clients do not take their replies"));
  if (const std::size_t calls = activity_->under_way().size(); calls != 0)
    log_.logger()->warn("{}",
                        counted(calls, "call into a module has not returned", "calls into modules have not returned"));
}

void Server::close_listeners() {
  const std::lock_guard<std::mutex> lock(listening_);
  close_doors(first_doors_);
  if (!is_created_) return;
  for (const Doors* doors : {&setup_.listen, &setup_.control, &setup_.metrics}) close_doors(*doors);
  if (control_) control_->stop();
  if (http_) http_->end_clients();
}

// Something does not end. What it may still be using is left to it; the kernel cleans up.
void Server::leave() {
  if (connections_) connections_->break_off();
  supervision_.leave();
  try {
    name_what_is_left();
  } catch (const std::exception&) {
    // Without memory there is no line.
  }
  log_.flush(last_lines);
  ::_exit(1);
}

void Server::name_what_is_left() {
  const auto calls = activity_->under_way();
  for (const Activity::UnderWay& call : calls) log_.logger()->error("left behind: {}", describe(call));
  if (!calls.empty()) return;
  if (!is_created_) log_.logger()->error("left behind: the start, which is inside no module");
  else if (connections_ && connections_->size() != 0)
    log_.logger()->error("left behind: {}, inside no module", counted(connections_->size(), "client", "clients"));
  else log_.logger()->error("left behind: the end of the exports, which is inside no module");
}

}  // namespace

int serve(const Config& config, const Mistakes& found, Registry& registry, Log& log, Starter& starter,
          ConfigSource source) {
  const rlimit descriptors = raise_descriptor_limit();
  ::mallopt(M_ARENA_MAX, 4);  // thousands of short-lived threads must not leave an arena each
  return Server(config, found, registry, log, starter, std::move(source), descriptors).run();
}

}  // namespace ashlar::host
