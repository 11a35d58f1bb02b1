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
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "chain/activity.hpp"
#include "chain/chain.hpp"
#include "chain/make_export.hpp"
#include "chain/open_error.hpp"
#include "listener/listener.hpp"
#include "metrics/http_server.hpp"
#include "sandbox/needed_grants.hpp"
#include "sandbox/sandbox.hpp"
#include "server/commands.hpp"
#include "server/connections.hpp"
#include "server/handler_memory.hpp"
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
         const rlimit& descriptors)
      : config_(config),
        mistakes_(found),
        registry_(registry),
        log_(log),
        starter_(starter),
        supervision_(io_, starter, log, descriptors,
                     {.stop = [this](const char* why) { told_to_stop(why); },
                      .command_over = [this] { end_if_over(); },
                      .status = [this] { return status(); }}) {}
  int run();

 private:
  using Clock = std::chrono::steady_clock;
  using Listeners = std::vector<std::unique_ptr<Listener>>;

  // [the modules' thread]
  void create_and_destroy() noexcept;
  void create_all();
  void make_tls();
  void listen_at(const ListenAddress& address, Listeners& into);
  void change_user();
  void make_sandbox();
  void destroy_all();

  // [the loop's thread]
  void loop();
  void created();
  void begin_serving();
  void open_doors();
  void report_failure();
  void tell_repeats();
  void wait_for_signal();
  void heard(int signal);
  void told_to_stop(const char* why);
  void stop(const char* why);
  void end_if_over();
  std::string status() const;
  void time_is_up();
  void break_off(const char* why);
  void close_listeners();
  [[noreturn]] void leave();
  void name_what_is_left();

  const Config& config_;
  Mistakes mistakes_;
  Registry& registry_;
  Log& log_;
  const Starter& starter_;

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
  Supervision supervision_;

  const std::shared_ptr<Activity> activity_ = Activity::make();
  std::shared_ptr<Exports> exports_ = std::make_shared<Exports>();
  std::unique_ptr<Tls> tls_;  // null: without
  std::optional<Sandbox> sandbox_;
  std::exception_ptr failure_;
  std::mutex listening_;
  Listeners listeners_, for_control_, for_metrics_;  // under listening_ until all are created
  std::binary_semaphore may_destroy_{0};

  std::unique_ptr<SessionContext> context_;
  std::optional<Connections> connections_;  // outlives the threads of the executor, which is in context_
  std::optional<TlsFiles> tls_files_;
  std::optional<Commands> commands_;
  std::unique_ptr<ControlServer> control_;  // null: there is none, as of the next
  std::unique_ptr<HttpServer> http_;
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
  for (const ExportConfig& own : config_.exports)
    if (auto made = make_export(config_, own, registry_, log_.logger(), activity_, mistakes_))
      exports_->push_back(std::move(made));
  make_tls();
  mistakes_.throw_if_any();
  for (const ListenAddress& address : config_.server.listen) listen_at(address, listeners_);
  if (config_.server.control) listen_at(*config_.server.control, for_control_);
  if (config_.server.metrics) listen_at(*config_.server.metrics, for_metrics_);
  if (config_.server.user || config_.server.group) change_user();
  make_sandbox();
  for (const auto& exported : *exports_) exported->begin_serving();
}

// From now on each client's backend is opened as that user: what it may not open is told now, and not to clients.
void Server::change_user() {
  const std::string who = give_up_privileges(config_.server.user, config_.server.group);
  log_.logger()->info("the server is {} now", who);
  for (std::size_t i = 0; i < exports_->size(); ++i) {
    try {
      (*exports_)[i]->open();
    } catch (const OpenError& e) {
      if (!config_.exports[i].optional) throw std::runtime_error("as " + who + ": " + e.what());
      log_.logger()->warn("as {}: {}; it is optional, and will be tried again for each client", who, e.what());
    }
  }
}

void Server::make_sandbox() {
  if (config_.server.sandbox.mode == SandboxConfig::Mode::off) return;
  Grants needed = needed_grants(config_, registry_, *activity_);
  if (starter_.private_folder != nullptr)
    needed.add(starter_.private_folder->path().parent_path(), FileAccess::remove_folders, "--run");
  sandbox_.emplace(config_.server.sandbox, std::move(needed), log_.logger());
}

void Server::make_tls() {
  std::vector<std::string> warnings;
  mistakes_.gather([&] { tls_ = host::make_tls(config_, warnings); });
  for (const std::string& warning : warnings) log_.logger()->warn("{}", warning);
}

// May take long, too: a name has to be looked up.
void Server::listen_at(const ListenAddress& address, Listeners& into) {
  auto made = listen(io_, address, static_cast<unsigned>(config_.server.keepalive.count()));
  const std::lock_guard<std::mutex> lock(listening_);
  activity_->check();  // who stops closes the listeners that are there by then
  for (auto& listener : made) into.push_back(std::move(listener));
}

// The executor goes first, and with it the last thread that was in a module. A library is unloaded by the layer that
// uses it last, so that it is known which one does not unload.
void Server::destroy_all() {
  registry_.let_go();
  context_.reset();
  exports_.reset();
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
  const ServerConfig& own = config_.server;
  context_.reset(new SessionContext{.log = log_.logger(),
                                    .repeats = Repeats(log_.logger()),
                                    .exports = exports_,
                                    .max_payload = protocol::payload_limits(own.max_payload),
                                    .handshake_timeout = own.handshake_timeout,
                                    .busy_poll = own.busy_poll,
                                    .pool = BufferPool(BufferPool::limits_for(own.max_memory)),
                                    .workers = Workers(own.workers),
                                    .tls_mode = mode_of(own.tls),
                                    .tls = tls_.get()});
  if (tls_) tls_files_.emplace(io_, *tls_, context_->executor, log_.logger());
  connections_.emplace(io_, *context_, own.max_connections);
  for (const auto& listener : listeners_)
    listener->start(
        [this](std::unique_ptr<Socket> socket, const Peer& peer) { connections_->add(std::move(socket), peer); },
        [this](const std::string& complaint) { log_.logger()->warn("{}", complaint); });
  open_doors();
  repeats_timer_.set(Clock::now() + between_repeats);
  log_.flush();  // who waits for "listening on" finds in the log what was wrong at the start
  std::vector<std::string> addresses;
  for (const auto& listener : listeners_) addresses.push_back(listener->address());
  for (const std::string& address : addresses) std::printf("listening on %s\n", address.c_str());
  std::fflush(stdout);
  supervision_.run_command(addresses, own.tls.mode == TlsConfig::Mode::require);
  if (sandbox_) sandbox_->enter();  // the command is not in it, and no client has come in yet
  supervision_.ready(addresses);
}

// Those of operators: the control socket, and where figures are told.
void Server::open_doors() {
  const auto complain = [this](const std::string& complaint) { log_.logger()->warn("{}", complaint); };
  commands_.emplace(io_, *context_, *connections_);
  for (auto& listener : for_control_) {
    log_.logger()->info("takes commands at {}", listener->address());
    control_ = std::make_unique<ControlServer>(
        io_, std::move(listener),
        [this](const json::object& command, const Commands::Answer& answer) { commands_->carry_out(command, answer); },
        complain);
  }
  for_control_.clear();
  if (for_metrics_.empty()) return;
  for (const auto& listener : for_metrics_) log_.logger()->info("tells figures at {}/metrics", listener->address());
  http_ = std::make_unique<HttpServer>(
      io_, std::move(for_metrics_),
      HttpServer::Source{
          .metrics = [this](Exposition::Format format) { return metrics_text(*context_, *connections_, format); },
          .ready = [this] { return times_told_ == 0 && !connections_->draining(); }},
      complain);
}

void Server::tell_repeats() {
  if (times_told_ != 0) return;
  repeats_timer_.set(Clock::now() + between_repeats);
  context_->repeats.tell_due();
  for (const auto& exported : *exports_) exported->tell_repeats();
}

void Server::wait_for_signal() {
  signals_.async_wait(HandlerIn(signal_memory_, [this](const boost::system::error_code& error, int signal) {
    if (error) return;
    wait_for_signal();
    heard(signal);
  }));
}

void Server::heard(int signal) {
  if (signal == SIGHUP) return log_.logger()->info("SIGHUP: ignored; to have the config read anew, restart the server");
  told_to_stop(signal == SIGTERM ? "SIGTERM" : "SIGINT");
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
  return counted(config_.exports.size(), "export", "exports") + ", " +
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
  for (const Listeners* all : {&listeners_, &for_control_, &for_metrics_})
    for (const auto& listener : *all) listener->stop();
  if (control_) control_->stop();
  if (http_) http_->stop();
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

int serve(const Config& config, const Mistakes& found, Registry& registry, Log& log, Starter& starter) {
  const rlimit descriptors = raise_descriptor_limit();
  ::mallopt(M_ARENA_MAX, 4);  // thousands of short-lived threads must not leave an arena each
  return Server(config, found, registry, log, starter, descriptors).run();
}

}  // namespace ashlar::host
