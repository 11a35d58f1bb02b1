#include "remote_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <system_error>
#include <utility>

using namespace ashlar;

namespace {

// A server that wants to be left alone for longer is asked nevertheless.
constexpr std::chrono::seconds longest_pause{60};

// What waits when it is opened, such as a pipe, would keep all transfers waiting.
Fault fault_of_file(const std::string& path) {
  struct stat there {};
  if (path.empty()) return {};
  if (::stat(path.c_str(), &there) != 0) return {errno, false, std::generic_category().message(errno)};
  if (!S_ISREG(there.st_mode)) return {EINVAL, false, "it is no regular file"};
  return {};
}

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

// On trial nobody waits for long: it is one of many that are looked at.
RemoteFile::RemoteFile(Shared& shared, Purpose purpose) : shared_(shared) {
  const std::uint64_t most = purpose == Purpose::trial ? 1 : shared.settings.times;
  const Fault fault =
      again_and_again(std::min(most, shared.settings.times), [this](bool anew) { return open_once(anew); });
  if (fault) throw BadParameter("url", shared.settings.shown + " cannot be opened: " + fault.text, fault.code);
  if (known_.size > INT64_MAX) throw BadParameter("url", shared.settings.shown + " is longer than any disk can be");
  keep_to_version();
}

void RemoteFile::keep_to_version() const {
  const std::lock_guard lock(shared_.mutex);
  if (shared_.served) {
    if (const Fault fault = fault_of_change(*shared_.served, known_.size, known_.etag, known_.modified))
      throw BadParameter(
          "url",
          shared_.settings.shown + ": " + fault.text +
              "; the export keeps to the file that it began with: for the new one change a parameter, such as "
              "times, and run ashlar reload, or restart the server",
          fault.code);
    return;
  }
  shared_.served = known_;
  if (!is_strong(known_.etag) && known_.modified.empty())
    shared_.host.log(
        Level::warn,
        "%s: the server tells neither a strong ETag nor a date of the file: that it is changed may go unseen",
        shared_.settings.shown.c_str());
}

// Tells what has come of `once`, a callable Fault(bool anew), the last time. anew: over a new connection.
template <class Once>
Fault RemoteFile::again_and_again(std::uint64_t times, Once once) const {
  bool anew = false;
  for (std::uint64_t n = 1;; ++n) {
    const Fault fault = once(anew);
    if (!fault.may_pass || n > times) return fault;
    anew = fault.code == ETIMEDOUT;
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
Fault RemoteFile::open_once(bool anew) {
  if (const Fault fault = fault_of_file(shared_.settings.file)) return fault;
  if (!shared_.settings.is_http) return ask_size(anew);
  Use use(shared_);
  use->want_new_connection(anew);
  std::byte first;
  use->want_bytes(0, {&first, 1}, nullptr);
  Fault fault = use.run();
  if (fault.code == ECANCELED) return fault;
  const Answer& answer = use->answer();
  known_ = {0, answer.etag(), answer.modified()};
  if ((answer.is_outside() && answer.total() == 0) || (answer.status() == 200 && use->told_size() == 0)) return {};
  if (answer.status() == 416 && !answer.total()) return {EIO, false, "the server refuses ranges (status 416)"};
  if (fault) return fault;
  if (!answer.total() && answer.etag().empty() && answer.modified().empty())
    return {EIO, false, "the server says neither how long the file is nor of which version it is"};
  if (!answer.total()) return ask_size(anew);
  known_.size = *answer.total();
  return {};
}

Fault RemoteFile::ask_size(bool anew) {
  Use use(shared_);
  use->want_new_connection(anew);
  use->want_head();
  if (Fault fault = use.run()) return fault;
  if (!use->told_size()) return {EIO, false, "the server does not say how long it is"};
  known_.size = *use->told_size();
  if (!shared_.settings.is_http && use->told_time() >= 0) known_.modified = std::to_string(use->told_time());
  return {};
}

Status RemoteFile::read(std::uint64_t offset, std::span<std::byte> into) const noexcept {
  try {
    const Fault fault = again_and_again(shared_.settings.times, [&](bool anew) {
      Use use(shared_);
      use->want_new_connection(anew);
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
