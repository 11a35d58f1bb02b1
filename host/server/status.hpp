// What the server tells of itself at its control socket: `ashlar status --json` prints it. (host/cli/schema.json)
#pragma once
#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "chain/export.hpp"
#include "server/connections.hpp"

namespace ashlar::host {

namespace json = boost::json;

// An export that is served no longer, and may have clients still. Does not keep it.
struct RemovedExport {
  std::string name, description;
  bool read_only = false;
  std::shared_ptr<Accounts> accounts;
};

// [the io thread]
json::object status_of(const Exports& exports, const std::vector<RemovedExport>& removed,
                       const Connections& connections, std::chrono::steady_clock::time_point started);

}  // namespace ashlar::host
