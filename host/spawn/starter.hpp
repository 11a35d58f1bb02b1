// Starter: what whoever starts the server wants of it beside what the config says.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "spawn/notify_socket.hpp"
#include "spawn/parent.hpp"
#include "spawn/private_folder.hpp"
#include "spawn/ready_fd.hpp"

namespace ashlar::host {

struct Starter {
  std::unique_ptr<ReadyFd> ready;                 // told when clients can come; none: nobody waits for that
  std::unique_ptr<Parent> parent;                 // whose end is the server's; none: it may stay on its own
  std::string run;                                // a command to run as long as the server serves; empty: none
  std::unique_ptr<PrivateFolder> private_folder;  // of the socket that the command finds it by; removed at the end
  std::unique_ptr<NotifySocket> service_manager;  // told how the server is; none: there is none
  std::chrono::microseconds watchdog{};           // how often that wants a sign of life; 0: never
};

}  // namespace ashlar::host
