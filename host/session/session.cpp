#include "session/session.hpp"

#include <cerrno>
#include <cstring>
#include <new>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

// So long a client is thought to still take replies after it has said that it sends nothing more.
constexpr std::chrono::seconds time_for_replies{10};
// The kernel is not asked more often whether the client has gone, however many of its requests want to know.
constexpr std::chrono::milliseconds time_between_looks{10};
// For so long a client waits for its place while the one who has it leaves.
constexpr std::chrono::seconds most_wait_for_place{2};

// Bytes of a template's names that are too few to be counted: they are laid out at once.
constexpr std::size_t most_uncounted = 64 * 1024;

std::size_t bytes_of(const std::vector<protocol::Catalog::Listed>& names) {
  std::size_t bytes = names.capacity() * sizeof names[0];
  for (const protocol::Catalog::Listed& one : names) bytes += one.name.capacity() + one.description.capacity();
  return bytes;
}

// Why connections end.
constexpr const char* too_late = "handshake took too long";
constexpr const char* server_stops = "the server stops";

// So long what could not be opened is told again without a further try.
constexpr std::chrono::seconds remembered{5};

}  // namespace

// While one lives, the client waits for the server: that is none of the time that it has for its handshake. It is, from
// some time on: else a client that asks over and over would never have to be done.
class Session::ServersTime {
 public:
  explicit ServersTime(Session& session) : session_(session), counts_(session.servers_time_left_.count() > 0) {
    if (!counts_) return;
    session_.is_waited_for_.store(true, std::memory_order_relaxed);
  }
  // Who sees that the client is not waiting any more sees its new deadline, too.
  ~ServersTime() {
    if (!counts_) return;
    const auto took = std::chrono::steady_clock::now() - since_;
    session_.servers_time_left_ -= took;
    session_.deadline_ = session_.deadline_.load() + took;
    session_.is_waited_for_.store(false, std::memory_order_release);
  }
  ServersTime(const ServersTime&) = delete;
  ServersTime& operator=(const ServersTime&) = delete;

 private:
  Session& session_;
  const bool counts_;
  const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
};

const char* const Session::ended_by_reload = "a reload of the config ended it";

Session::Session(std::unique_ptr<Socket> socket, Peer peer, SessionContext& context)
    : connection_(std::move(socket)),
      socket_(connection_.get()),
      breaks_by_(connection_.get()),
      peer_(std::move(peer)),
      context_(context),
      settings_(context.settings),
      exports_(context.exports.get()),
      deadline_(std::chrono::steady_clock::now() + settings_->handshake_timeout),
      waiter_(*socket_),
      memory_(context.pool, waiter_, *connection_, stopping_),
      inbox_(memory_),
      client_facts_(peer_),
      stream_end_(*connection_),
      of_reads_(
          [this] {
            return broken_off_.load(std::memory_order_relaxed) || connection_->is_gone() ||
                   stream_end_.has_lasted(time_for_replies);
          },
          time_between_looks),
      of_writes_([this] { return broken_off_.load(std::memory_order_relaxed); }),
      for_client_{.client = client_facts_.abi(), .of_reads = of_reads_, .of_writes = of_writes_, .disconnect = [this] {
                    disconnect("a layer ended the connection");
                  }} {
  handshake_.emplace(static_cast<protocol::Catalog&>(*this), settings_->max_payload, settings_->tls_mode);
}

Session::Outcome Session::run() noexcept {
  try {
    return talk();
  } catch (const std::bad_alloc&) {
    return end("out of memory");
  } catch (const std::exception& e) {
    return end(e.what());
  }
}

void Session::abort() {
  stop();
  breaks_by_.load(std::memory_order_acquire)->abort();
  connection_->abort();  // a send that waits for the client does so no longer
  broken_off_.store(true, std::memory_order_relaxed);
}

void Session::disconnect(const char* reason) {
  ended_by_.store(reason, std::memory_order_relaxed);
  breaks_by_.load(std::memory_order_acquire)->abort();
}

Session::Outcome Session::talk() {
  if (!memory_.claim_share()) return end(why_without_memory());
  const Outcome outcome = transmission_ ? transmit() : shake_hands();
  if (outcome == Outcome::idle) socket_->rest();
  if (outcome == Outcome::idle && !inbox_.has_buffer()) memory_.give_share_back();
  return outcome;
}

const char* Session::why_without_memory() const {
  return is_to_stop() ? server_stops : "gone while it waited for memory";
}

Session::Outcome Session::shake_hands() {
  using State = protocol::Handshake::State;
  if (!visible_) visible_.emplace(exports_, peer_);
  for (bool is_last = false;;) {
    while (handshake_->state() == State::talking) {
      const std::size_t used = handshake_->feed(inbox_.unread());
      if (used == 0) break;
      inbox_.consume(used);
    }
    if (handshake_->state() == State::upgrade && !tls_ && plaintext_follows()) {
      log_refusal("refused: something was sent in plain behind STARTTLS, by this client or by somebody between");
      return end("something was sent in plain behind STARTTLS");
    }
    if (is_last) handshake_->break_off();
    const bool answered = !handshake_->output().empty();
    if (!send_output()) return end("replies could not be sent");
    if (handshake_->state() == State::upgrade) {
      if (const auto outcome = secure()) return *outcome;
      if (!memory_.claim_share()) return end(why_without_memory());
      continue;
    }
    if (handshake_->state() == State::closed) return end(handshake_->reason());
    if (handshake_->state() == State::transmission) return begin_transmission();
    if (late()) return end(too_late);
    if (is_last) return end(server_stops);
    if (answered && !inbox_.unread().empty()) continue;  // what lies behind a list was not looked at
    is_last = is_to_stop();                              // what has come by now is answered

    const auto wait = is_last ? Socket::Wait::no : Socket::Wait::yes;
    ssize_t n = -ECANCELED;
    if (inbox_.expect(protocol::Handshake::max_message())) n = inbox_.receive(*socket_, wait);
    if (n == -EAGAIN && is_last) continue;
    if (n == -EAGAIN) {
      inbox_.park();
      return Outcome::idle;
    }
    if (n <= 0 && late()) return end(too_late);
    if (n == -ECANCELED) return end(why_without_memory());
    if (n == 0) return end("closed by the client");
    if (n < 0) return end(why_not_received(n));
  }
}

// Who does not wait for the reply to STARTTLS may be two: a client, and somebody between who puts words before it that
// would be taken for the client's own. (CVE-2021-3716)
bool Session::plaintext_follows() { return !inbox_.unread().empty() || connection_->has_input(); }

// Goes on with the handshake of TLS. None: it is done, and the client goes on with options.
std::optional<Session::Outcome> Session::secure() {
  if (!tls_) tls_ = settings_->tls->accept(*connection_, peer_);
  switch (tls_->shake_hands()) {
    case TlsSocket::Step::failed: return refuse_tls();
    case TlsSocket::Step::done: be_secured(); return std::nullopt;
    case TlsSocket::Step::waits: break;
  }
  if (late()) {
    context_.tls_handshakes.failed.fetch_add(1, std::memory_order_relaxed);
    return end(too_late);
  }
  if (is_to_stop()) return end(server_stops);
  inbox_.park();
  return Outcome::idle;
}

// A chain that was opened before was opened for somebody else.
void Session::be_secured() {
  context_.tls_handshakes.done.fetch_add(1, std::memory_order_relaxed);
  chain_.reset();
  failed_.reset();
  peer_.tls = tls_->identity();
  client_facts_.set_tls(*peer_.tls);
  visible_.emplace(exports_, peer_);
  socket_ = tls_.get();
  breaks_by_.store(socket_, std::memory_order_release);
  waiter_.wait_at(*tls_);
  inbox_.clear();  // nothing was sent in plain behind STARTTLS
  memory_.give_share_back();
  memory_.enlarge_share(tls_->buffer_bytes());
  handshake_->secured();
}

Session::Outcome Session::refuse_tls() {
  context_.tls_handshakes.failed.fetch_add(1, std::memory_order_relaxed);
  const std::string why = tls_->failure();
  if (why.empty()) return end(late() ? too_late : "gone in the handshake of TLS");
  // Of one kind whatever name the client gives itself, which is in quotes.
  std::string kind = why;
  if (const auto name = kind.find(" \""); name != std::string::npos) kind.erase(name, kind.rfind('"') + 1 - name);
  context_.repeats.log(
      spdlog::level::warn, host::who(peer_) + ": refused by TLS: " + kind,
      [&] { return describe(peer_) + ": refused by TLS: " + why; }, why);
  return end("refused by TLS");
}

// Waits for the client, unless the server stops.
bool Session::send_output() {
  while (!handshake_->output().empty()) {
    std::span<const std::byte> rest = handshake_->output();
    while (!rest.empty()) {
      if (late()) return false;
      const auto wait = is_to_stop() ? Socket::Wait::no : Socket::Wait::yes;
      const iovec part{const_cast<std::byte*>(rest.data()), rest.size()};
      const ssize_t n = socket_->send({&part, 1}, wait, false);
      if (n < 0 && (n != -EAGAIN || wait == Socket::Wait::no)) return false;
      if (n > 0) rest = rest.subspan(static_cast<std::size_t>(n));
    }
    handshake_->sent();
  }
  return true;
}

Session::Outcome Session::begin_transmission() {
  in_transmission_.store(true, std::memory_order_relaxed);
  const protocol::Agreement agreement = handshake_->agreement();
  handshake_.reset();
  context_.log->info("{}: opened {}", describe(peer_), visible_->described(open_index_));
  export_ = visible_->shared(open_index_);
  visible_.reset();
  exports_.reset();  // those that are served no longer are not to stay because of this client
  transmission_.emplace(*chain_, agreement,
                        Transmission::Connection{.socket = *socket_,
                                                 .waiter = waiter_,
                                                 .memory = memory_,
                                                 .inbox = inbox_,
                                                 .stopping = stopping_,
                                                 .waits_to_send = waits_to_send_,
                                                 .who = {.number = peer_.number,
                                                         .identity = peer_.tls ? identity_text(*peer_.tls) : "",
                                                         .read_only = chain_->geometry().read_only,
                                                         .size = chain_->geometry().size}},
                        Transmission::Server{.max_payload = settings_->max_payload,
                                             .busy_poll = settings_->busy_poll,
                                             .executor = context_.executor,
                                             .workers = context_.workers,
                                             .stacks = context_.stacks,
                                             .clients = context_.clients,
                                             .no_io_uring = context_.no_io_uring,
                                             .repeats = context_.repeats});
  // From now on it is among the export's clients; a reload that ended those before has not seen it.
  if (export_->clients_are_to_leave()) stop(ended_by_reload);
  return transmit();
}

Session::Outcome Session::transmit() {
  if (transmission_->run() == Transmission::Outcome::idle) return Outcome::idle;
  if (transmission_->evicted()) chain_->exported().accounts()->evicted();
  return end(transmission_->reason());
}

bool Session::late() const { return std::chrono::steady_clock::now() >= end_of_handshake(); }

std::chrono::steady_clock::time_point Session::end_of_handshake() const {
  if (is_waited_for_.load(std::memory_order_acquire))
    return std::chrono::steady_clock::now() + settings_->handshake_timeout;
  return deadline_.load();
}

// Everything of a module ends here, on this thread: a module may take its time to close, and whoever destroys the
// session has other clients, too.
Session::Outcome Session::end(std::string_view reason) {
  ending_.store(true, std::memory_order_relaxed);
  if (const char* const why = ended_by_.load(std::memory_order_relaxed)) reason = why;
  try {
    log_end(reason);
  } catch (const std::exception&) {
    // Only memory can fail here; a lost line is the least harm.
  }
  transmission_.reset();
  handshake_.reset();
  inbox_.clear();
  memory_.give_share_back();
  (tls_ ? *tls_ : *connection_).finish();
  chain_.reset();
  write_place_.reset();
  place_.reset();
  visible_.reset();
  exports_.reset();
  export_.reset();
  return Outcome::over;
}

// A client that opened no export, such as a probe of the port, is nobody's news, unless it was kept out.
void Session::log_end(std::string_view reason) {
  if (!transmission_) {
    if (handshake_ && handshake_->lacks_tls()) log_refusal("refused: it does not speak TLS, which is required");
    context_.log->debug("{}: ended in the handshake: {}", describe(peer_), reason);
    return;
  }
  const Summary n = transmission_->totals();
  context_.log->info("{}: closed export {}: {}; {} requests, {} bytes read, {} bytes written, {} errors",
                     describe(peer_), in_quotes(chain_->exported().name()), reason, n.ended(), n.of(Op::read).bytes,
                     n.of(Op::write).bytes, n.errors());
}

// Many names stay until the client has taken them: then they count. How much they take is known when they have been
// gone through; those that take more than is allowed by then are gone through again when there is room for them.
std::shared_ptr<const std::vector<protocol::Catalog::Listed>> Session::listed(std::size_t index, std::size_t most) {
  struct Counted {
    std::shared_ptr<MemoryLease> lease;  // goes last
    std::vector<Listed> names;
  };
  std::shared_ptr<MemoryLease> lease;
  for (std::size_t allowed = most_uncounted; !late();) {
    ListedExports found = names_of(index, most, allowed);
    if (found.bytes > allowed) {
      allowed = found.bytes;
      lease.reset();
      lease = memory_.try_lease(allowed);
      if (!lease) lease = memory_.lease(allowed);
      if (!lease) return nullptr;
      continue;
    }
    const auto counted = std::make_shared<Counted>();
    counted->names.reserve(found.exports.size());
    for (ListedExport& one : found.exports) counted->names.push_back({std::move(one.name), std::move(one.description)});
    found.exports.clear();
    found.exports.shrink_to_fit();
    if (lease) lease->keep(bytes_of(counted->names));  // they took more while they were gathered
    counted->lease = std::move(lease);
    return {counted, &counted->names};
  }
  return nullptr;
}

// What the template at `index` lists, unless it takes more than `most_bytes`.
ListedExports Session::names_of(std::size_t index, std::size_t most, std::size_t most_bytes) {
  try {
    const ServersTime not_the_clients(*this);
    ListedExports found = visible_->listed(index, most, most_bytes);
    if (found.is_cut && found.bytes <= most_bytes)
      context_.repeats.log(spdlog::level::warn, "export " + in_quotes(visible_->exported(index).name()) +
                                                    ": there are more than the " +
                                                    std::to_string(protocol::Handshake::max_listed) +
                                                    " names that clients are told of, of all templates together");
    return found;
  } catch (const Stopped&) {
    stop();  // it is about to be told
  } catch (const OpenError& e) {
    log_failure(e.what());
  }
  return {};
}

std::optional<std::size_t> Session::other(std::string_view name) {
  return visible_->other(std::string(name), context_.exports);
}

// A client asks for an export by several options, one behind the other, and its storage may take long to say that it
// cannot be had: what was said just now is told again.
protocol::Catalog::Opened Session::open(std::size_t index, std::string_view name) {
  const bool renewed = visible_->exported(index).retired();
  if (!renewed && chain_ && open_index_ == index && client_facts_.export_name() == name)
    return {&chain_->geometry(), {}};
  chain_.reset();
  if (!renewed && failed_ && failed_->index == index && failed_->name == name &&
      std::chrono::steady_clock::now() - failed_->when < remembered)
    return failed_->told;
  if (renewed && !visible_->renew(index, context_.exports)) return {.is_there = false};
  Export& exported = visible_->exported(index);
  const bool for_reading = exported.read_only() || visible_->read_only(index);
  if (std::string why = lacks_place(exported, for_reading); !why.empty()) return {nullptr, std::move(why)};
  try {
    client_facts_.set_export_name(name);
    const ServersTime not_the_clients(*this);
    chain_ = exported.open(&for_client_, for_reading);
  } catch (const Stopped& e) {
    stop();  // it is about to be told
    return {nullptr, e.what()};
  } catch (const OpenError& e) {
    failed_ = {index, std::string(name), why_not(exported, e), std::chrono::steady_clock::now()};
    return failed_->told;
  } catch (const std::exception& e) {
    log_failure(e.what());
    return {nullptr, "the export cannot be opened; the server's log says why"};
  }
  open_index_ = index;
  return {&chain_->geometry(), {}};
}

protocol::Catalog::Opened Session::why_not(const Export& exported, const OpenError& refused) {
  if (!exported.of_template().empty() && refused.is_absence()) return {.is_there = false};
  log_failure(refused.what());
  return {nullptr, refused.told_to_client(peer_.transport == Peer::Transport::unix_socket)};
}

// Asked before the layers are opened, which may fail for the same reason and say less. Empty: it does not.
std::string Session::lacks_place(Export& exported, bool for_reading) {
  if (!exported.places().is_free(exported.most_clients(), patience())) return refuse_further_client(exported);
  if (!for_reading && !exported.write_places().is_free(exported.most_writers(), patience()))
    return refuse_second_writer(exported);
  return {};
}

// Who has only asked for an export has taken no place.
std::string Session::enter() {
  if (is_to_stop()) {
    chain_.reset();
    return server_stops;
  }
  Export& exported = visible_->exported(open_index_);
  Place place(nullptr, {this}), write_place(nullptr, {this});
  if (!exported.places().take(*this, exported.most_clients(), patience())) {
    chain_.reset();
    return refuse_further_client(exported);
  }
  place.reset(&exported.places());
  if (!chain_->geometry().read_only) {
    if (!exported.write_places().take(*this, exported.most_writers(), patience())) {
      chain_.reset();
      return refuse_second_writer(exported);
    }
    write_place.reset(&exported.write_places());
  }
  place_.swap(place);
  write_place_.swap(write_place);
  return {};
}

void Session::unknown(std::string_view name) {
  const auto refused = visible_->refused(name, context_.exports);
  if (refused == nullptr) return;
  refused->accounts()->refused();
  log_refusal(visible_->refusal(*refused));
}

bool Session::leaves() const { return ending_.load(std::memory_order_relaxed) || stream_end_.has_come(); }

Places::Patience Session::patience() const {
  const auto end = std::chrono::steady_clock::now() + most_wait_for_place;
  return [this, end] { return std::chrono::steady_clock::now() < end && !late() && !is_to_stop(); };
}

std::string Session::refuse_second_writer(Export& exported) {
  const std::string of = "export " + in_quotes(exported.name());
  exported.accounts()->refused();
  const std::string other = exported.write_places().taken_by();
  log_refusal("refused " + of + ": it is exclusive, and " + (other.empty() ? "another client" : other) + " has it");
  return of + " is exclusive, and another client has it";
}

std::string Session::refuse_further_client(Export& exported) {
  const std::string of = "export " + in_quotes(exported.name());
  const std::string most = std::to_string(exported.most_clients());
  exported.accounts()->refused();
  log_refusal("refused " + of + ": as many clients as may (max_connections = " + most + ") have it open");
  return of + " is open to " + most + " clients at once, and so many have it open";
}

// Connections are free, and a client may ask again and again.
void Session::log_failure(const char* why) {
  context_.repeats.log(spdlog::level::err, why, [&] { return describe(peer_) + ": " + why; });
}

// Counted for each who is refused, not for each of his connections.
void Session::log_refusal(const std::string& why) {
  context_.repeats.log(spdlog::level::warn, one_line(host::who(peer_) + ": " + why),
                       [&] { return one_line(describe(peer_) + ": " + why); });
}

}  // namespace ashlar::host
