// Handle: a connection of libnbd, from the greeting to its end. Used by one thread at a time.
#pragma once
#include <libnbd.h>

#include <functional>
#include <memory>
#include <string>

#include "facts.hpp"
#include "patience.hpp"
#include "request.hpp"
#include "settings.hpp"

class Handle {
 public:
  // Shakes hands over `socket`, which is the handle's from then on, also when it fails. `lists`: to list exports
  // rather than to use one. Throws Unreachable, NoExport, std::bad_alloc.
  Handle(const Settings& settings, int socket, const Patience& patience, bool lists = false);
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  const Facts& facts() const { return facts_; }
  // Calls `each` with the name and description of each export. For one that was made to list. Throws Unreachable.
  using Each = std::function<void(const char* name, const char* description)>;
  void list(const Each& each, const Patience& patience);

  // Sends `request`; `done`, which returns 1, is called with it and its errno number when it is answered, or with
  // ENOTCONN when the connection is lost: within any call that moves the connection, this one included. Returns an
  // errno number; 0: it is under way.
  using Done = int (*)(void* request, int* error) noexcept;
  int send(Request& request, Done done) noexcept;
  // The next two: of a connection over which nothing is under way.
  // Returns when all that was written is durable, if the server can flush. Throws Unreachable.
  void flush(const Patience& patience);
  // Ends it, and waits until the server has ended it, too. Throws Unreachable.
  void say_goodbye(const Patience& patience);

  int fd() const noexcept { return ::nbd_aio_get_fd(handle_.get()); }
  short events() const noexcept;  // of poll(2), to be waited for
  // Moves the connection: it is ready for `events`. Takes all answers that have come.
  void move(short events) noexcept;
  bool is_over() const noexcept;
  std::string why_over() const { return why_over_.empty() ? "the server has closed the connection" : why_over_; }

 private:
  struct Close {
    void operator()(nbd_handle* handle) const { ::nbd_close(handle); }
  };
  void set_up(const Settings& settings, bool lists);
  void set_up_tls(const Settings& settings);
  void name_server(const std::string& name);
  bool has_kept_name() const;
  void shake_hands(const Settings& settings, int socket, const Patience& patience, bool lists);
  void learn(const Settings& settings);
  void move_once(short events) noexcept;
  void note_end() noexcept;

  const std::unique_ptr<nbd_handle, Close> handle_;
  Facts facts_;
  std::string why_over_;
  int error_over_ = 0;  // its errno number, 0: libnbd tells none
};
