// The figures of a server, as /metrics tells them. Their names are an interface. (host/metrics/README.md)
#pragma once
#include <string>

#include "metrics/exposition.hpp"
#include "server/connections.hpp"
#include "session/session.hpp"

namespace ashlar::host {

// [the io_context's thread]
std::string metrics_text(const SessionContext& context, const Connections& connections, Exposition::Format format);

}  // namespace ashlar::host
