// What the server tells of itself at its control socket: `ashlar status --json` prints it. (host/cli/schema.json)
#pragma once
#include <boost/json/object.hpp>
#include <chrono>

#include "chain/export.hpp"
#include "server/connections.hpp"

namespace ashlar::host {

namespace json = boost::json;

// [the io_context's thread]
json::object status_of(const Exports& exports, const Connections& connections,
                       std::chrono::steady_clock::time_point started);

}  // namespace ashlar::host
