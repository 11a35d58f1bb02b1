// Differences: what a reload has changed, for who has asked for it and for the log.
#pragma once
#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "server/setup.hpp"

namespace ashlar::host {

namespace json = boost::json;

struct Differences {
  std::vector<std::string> added, changed, removed;  // names of exports
  std::vector<std::string> new_layers;               // of `changed`: those that do not go on with their layers
  std::size_t untouched = 0;                         // exports
  std::vector<std::string> server;                   // keys of [server]; tls also for new contents of its files
  std::vector<std::string> after_restart;            // keys of [server] that only a restart changes
  std::vector<std::string> opened, closed;           // addresses
};

// `started_with` is the config of the start, of which the server still has what only a restart changes.
Differences differences(const Setup& before, const Setup& now, const Config& started_with);

// As the answer to the command reload has it. (host/control/README.md)
json::object to_json(const Differences& what);

// In lines, such as `changed: export "disk"`; one that nothing has changed, if that is so.
std::vector<std::string> lines_of(const json::object& answer);

}  // namespace ashlar::host
