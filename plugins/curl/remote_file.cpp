#include "remote_file.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

using namespace ashlar;

namespace {

// A server that wants to be left alone for longer is asked nevertheless.
constexpr std::chrono::seconds longest_pause{60};

}  // namespace

Shared::Shared(const Create& create)
    : settings(create.params),
      host(create.host),
      wait(create.host),
      requests(Metrics(create.host).counter("requests", "requests to the server")),
      retries(Metrics(create.host).counter("retries", "those that were made again")),
      connects(Metrics(create.host).counter("connects", "connections that were made")),
      driver(settings) {}

class RemoteFile::Use {
 public:
  explicit Use(Shared& shared) : shared_(shared), transfer_(&shared.driver.take()) {}
  ~Use() {
    if (transfer_ != nullptr) shared_.driver.give_back(*transfer_);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  // Not behind ECANCELED.
  Transfer* operator->() const { return transfer_; }
  Fault run() {
    struct Asked {
      Driver& driver;
      Transfer& transfer;
    } asked{shared_.driver, *transfer_};
    Wait::Ticket ticket(shared_.wait);
    transfer_->begin(ticket);
    shared_.driver.move(*transfer_);
    ticket.on_cancel([](void* a) noexcept { static_cast<Asked*>(a)->driver.give_up(static_cast<Asked*>(a)->transfer); },
                     &asked);
    shared_.requests.add();
    if (ticket.wait() == ECANCELED) {
      transfer_ = nullptr;  // the driver gives it back
      return {ECANCELED, false, "nobody waits for it any more"};
    }
    shared_.connects.add(static_cast<double>(transfer_->connects()));
    return transfer_->fault();
  }

 private:
  Shared& shared_;
  Transfer* transfer_;
};

RemoteFile::RemoteFile(Shared& shared) : shared_(shared) {
  const Fault fault = again_and_again([this] { return open_once(); });
  if (fault) throw BadParameter("url", shared.settings.shown + " cannot be opened: " + fault.text, fault.code);
  if (known_.size > INT64_MAX) throw BadParameter("url", shared.settings.shown + " is longer than any disk can be");
}

// Tells what has come of `once`, a callable Fault(), the last time.
template <class Once>
Fault RemoteFile::again_and_again(Once once) const {
  for (std::uint64_t n = 1;; ++n) {
    const Fault fault = once();
    if (!fault.may_pass || n > shared_.settings.times) return fault;
    if (!pause(fault, n)) return {ECANCELED, false, "nobody waits for it any more"};
    shared_.retries.add();
  }
}

// False: nobody wants the answer any more.
bool RemoteFile::pause(const Fault& fault, std::uint64_t n) const {
  const std::chrono::nanoseconds wanted = std::min(fault.retry_after, longest_pause);
  const std::chrono::nanoseconds delay = std::max(wanted, shared_.settings.delay_before(n));
  shared_.host.log(Level::warn, "%s: %s; it is tried again in %lld ms", shared_.settings.shown.c_str(),
                   fault.text.c_str(), static_cast<long long>(delay / std::chrono::milliseconds(1)));
  if (shared_.wait.cancelled()) return false;
  shared_.wait.sleep_until(std::chrono::steady_clock::now() + delay);
  return !shared_.wait.cancelled();
}

// The first byte is asked for, which shows that parts can be had. Of an empty file there is none.
Fault RemoteFile::open_once() {
  if (!shared_.settings.is_http) return ask_size();
  Use use(shared_);
  std::byte first;
  use->want_bytes(0, {&first, 1}, nullptr);
  Fault fault = use.run();
  if (fault.code == ECANCELED) return fault;
  const Answer& answer = use->answer();
  known_ = {0, answer.etag(), answer.modified()};
  if ((answer.is_outside() && answer.total() == 0) || (answer.status() == 200 && use->told_size() == 0)) return {};
  if (fault) return fault;
  if (!answer.total()) return ask_size();
  known_.size = *answer.total();
  return {};
}

Fault RemoteFile::ask_size() {
  Use use(shared_);
  use->want_head();
  if (Fault fault = use.run()) return fault;
  if (!use->told_size()) return {EIO, false, "the server does not say how long it is"};
  known_.size = *use->told_size();
  if (!shared_.settings.is_http) known_.modified = std::to_string(use->told_time());
  return {};
}

Status RemoteFile::read(std::uint64_t offset, std::span<std::byte> into) const noexcept {
  try {
    const Fault fault = again_and_again([&] {
      Use use(shared_);
      use->want_bytes(offset, into, &known_);
      return use.run();
    });
    if (fault && fault.code != ECANCELED)
      shared_.host.log(Level::error, "%s: read %zu@%llu failed: %s", shared_.settings.shown.c_str(), into.size(),
                       static_cast<unsigned long long>(offset), fault.text.c_str());
    return Status{fault.code};
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  } catch (const std::exception& e) {
    shared_.host.log(Level::error, "%s: %s", shared_.settings.shown.c_str(), e.what());
    return Status::io_error();
  }
}
