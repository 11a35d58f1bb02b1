// The figures of a server, as /metrics tells them. Their names are an interface. (host/metrics/README.md)
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "metrics/exposition.hpp"
#include "server/connections.hpp"
#include "server/status.hpp"
#include "session/session.hpp"

namespace ashlar::host {

// What the io thread knows of the server at a time.
struct Figures {
  using MemoryOf = std::map<std::uint64_t, std::uint64_t>;  // bytes, by the number of the connection

  std::shared_ptr<const Exports> exports;
  std::vector<RemovedExport> removed;  // those that may have clients still
  MemoryOf memory_of;
  std::uint64_t clients = 0, turned_away = 0;
  std::uint64_t workers = 0, workers_busy = 0, requests_waiting = 0;
  std::uint64_t tls_handshakes = 0, tls_handshake_failures = 0;
  std::uint64_t memory_waiting = 0;
};
Figures figures_of(const SessionContext& context, const Connections& connections,
                   const std::vector<RemovedExport>& removed);  // [the io thread]

// Takes its time where there are many exports; cut short when the server stops. [any thread that may wait for modules]
std::string metrics_text(const Figures& now, Exposition::Format format);

}  // namespace ashlar::host
