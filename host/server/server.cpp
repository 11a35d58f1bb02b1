#include "server/server.hpp"

#include <malloc.h>
#include <sys/resource.h>

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
#include "server/confinement.hpp"
#include "server/connections.hpp"
#include "server/counted.hpp"
#include "server/differences.hpp"
#include "server/ending.hpp"
#include "server/handler_memory.hpp"
#include "server/operators.hpp"
#include "server/other_user.hpp"
#include "server/reloader.hpp"
#include "server/supervision.hpp"
#include "server/tls_files.hpp"
#include "server/watch.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;

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

// Two threads: the loop's, which hears signals, clients and timers from the first moment to the last and never waits
// for a module; and the modules', which creates what is served and in the end destroys it, and may wait for ever. Where
// it creates several exports at once, it waits for the threads that help it (chain/beside.hpp).
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
        confinement_(registry, log.logger(), activity_, starter),
        maker_(io_, registry, log.logger(), activity_,
               [this](const Config& wanted, Registry& modules, Mistakes& mistakes) {
                 confinement_.refuse_outside(wanted, modules, mistakes);
               }),
        supervision_(io_, starter, log, descriptors,
                     {.stop = [this](const char* why) { ending_.told(why); },
                      .command_over = [this] { end_if_over(); },
                      .status = [this] { return status(); }}),
        ending_(io_, log, activity_, supervision_,
                {.begin = [this] { stop(); },
                 .connections = [this] { return connections_ ? &*connections_ : nullptr; },
                 .is_created = [this] { return is_created_; }}) {
    setup_.config = started_with_ = std::make_shared<const Config>(config);
    setup_.exports = std::make_shared<const Exports>();
  }
  int run();

 private:
  using Clock = std::chrono::steady_clock;

  // [the modules' thread]
  void create_and_destroy() noexcept;
  void create_all();
  Doors listen_at(const std::vector<ListenAddress>& addresses);
  void destroy_all();

  // [the loop's thread]
  void loop();
  void created();
  void begin_serving();
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
  void stop();
  void end_if_over();
  std::string status() const;
  void close_listeners();

  Mistakes mistakes_;
  const ConfigSource source_;
  Registry& registry_;
  Log& log_;

  const std::shared_ptr<Activity> activity_ = Activity::make();
  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGHUP};  // from here on they wait to be heard
  const std::shared_ptr<HandlerMemory> signal_memory_ = std::make_shared<HandlerMemory>();
  Timer repeats_timer_{io_, [this] { tell_repeats(); }};
  Wakeup created_{io_, [this] { created(); }};
  Wakeup destroyed_{io_, [this] {
                      is_destroyed_ = true;
                      end_if_over();
                    }};
  Confinement confinement_;
  SetupMaker maker_;
  Supervision supervision_;
  Ending ending_;

  Setup setup_;  // what is served; until all is created, the modules' thread has it
  std::shared_ptr<const Config> started_with_;
  std::exception_ptr failure_;
  std::mutex listening_;
  Doors first_doors_;  // under listening_, while the modules' thread makes them
  std::binary_semaphore may_destroy_{0};

  std::unique_ptr<SessionContext> context_;
  std::optional<Connections> connections_;  // outlives the threads of the executor, which is in context_
  std::optional<TlsFiles> tls_files_;
  std::optional<Reloader> reloader_;
  std::optional<Operators> operators_;
  bool reload_when_ready_ = false;  // somebody has asked for it too early
  bool is_created_ = false, is_destroyed_ = false;
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
  change_user(config, *setup_.exports, *log_.logger(), mistakes_);
  mistakes_.throw_if_any();
  confinement_.make_sandbox(config);
  for (const auto& exported : *setup_.exports) exported->begin_serving();
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
  if (ending_.has_begun()) {
    report_failure();
  } else if (!failure_) {
    try {
      return begin_serving();
    } catch (...) {
      failure_ = std::current_exception();
      operators_.reset();
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
  operators_.emplace(io_, *context_, *connections_, *reloader_, [this] { return ending_.has_begun(); });
  open(setup_.listen, setup_.control, setup_.metrics);
  first_doors_.clear();
  repeats_timer_.set(Clock::now() + between_repeats);
  log_.flush();  // who waits for "listening on" finds in the log what was wrong at the start
  const std::vector<std::string> addresses = addresses_of(setup_.listen);
  for (const std::string& address : addresses) std::printf("listening on %s\n", address.c_str());
  std::fflush(stdout);
  supervision_.run_command(addresses, own.tls.mode == TlsConfig::Mode::require);
  confinement_.enter_sandbox();  // the command is not in it, and no client has come in yet
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

// Begins to accept clients at these doors.
void Server::open(const Doors& listen, const Doors& control, const Doors& metrics) {
  for (const Door& door : listen)
    for (const auto& listener : door.listeners)
      listener->start(
          [this](std::unique_ptr<Socket> socket, const Peer& peer) { connections_->add(std::move(socket), peer); },
          [this](const std::string& complaint) { log_.logger()->warn("{}", complaint); });
  operators_->serve(control, metrics);
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
  const Differences what = differences(setup_, next, *started_with_);
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
// its clients together with them. When the exports of before are handed over, this thread has them nowhere else:
// whoever lets go of one last calls modules.
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
    exported->each([&](const Export& one) {
      if (leave) one.accounts()->for_each([&](const Account& client) { leaving.insert(client.connection()); });
      if (removed.contains(exported->name()) && one.accounts()->connections() != 0) operators_->removed(one);
    });
  }
  if (end_clients) operators_->add_clients_of_removed(leaving);  // of earlier reloads, too
  connections_->end(leaving);
  context_->exports.exchange(next.exports);
  reloader_->let_go_of(std::exchange(setup_.exports, next.exports));
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
  if (ending_.has_begun()) return;
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
  if (signal != SIGHUP) return ending_.told(signal == SIGTERM ? "SIGTERM" : "SIGINT");
  if (reloader_) reloader_->reload(false, {});
  else reload_when_ready_ = true;
}

void Server::stop() {
  activity_->stop();
  if (tls_files_) tls_files_->stop();
  if (reloader_) reloader_->stop();
  if (connections_) connections_->stop([this] { may_destroy_.release(); });
  close_listeners();
  supervision_.stopping();
}

void Server::end_if_over() {
  if (is_destroyed_ && !supervision_.command_runs()) io_.stop();
}

// For people who look at a service manager.
std::string Server::status() const {
  return counted(setup_.config->exports.size(), "export", "exports") + ", " +
         counted(connections_ ? connections_->size() : 0, "client", "clients");
}

void Server::close_listeners() {
  const std::lock_guard<std::mutex> lock(listening_);
  close_doors(first_doors_);
  if (!is_created_) return;
  for (const Doors* doors : {&setup_.listen, &setup_.control, &setup_.metrics}) close_doors(*doors);
  if (operators_) operators_->stop();
}

}  // namespace

int serve(const Config& config, const Mistakes& found, Registry& registry, Log& log, Starter& starter,
          ConfigSource source) {
  const rlimit descriptors = raise_descriptor_limit();
  ::mallopt(M_ARENA_MAX, 4);  // thousands of short-lived threads must not leave an arena each
  return Server(config, found, registry, log, starter, std::move(source), descriptors).run();
}

}  // namespace ashlar::host
