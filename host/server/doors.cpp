#include "server/doors.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "config/listen_address.hpp"

namespace ashlar::host {
namespace {

// Whether a listener at `a` is one at `b`, too. A port that the kernel chooses is the same if it was asked for in the
// same way, a socket that was handed over if it is the same descriptor.
bool same_door(const ListenAddress& a, const ListenAddress& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == ListenAddress::Kind::handed) return a.descriptor == b.descriptor;
  if (a.kind == ListenAddress::Kind::tcp && a.port == 0) return b.port == 0 && a.host == b.host;
  return same_address(a, b);
}

Door make_door(boost::asio::io_context& io, const ListenAddress& address, const Doors& before, unsigned keepalive) {
  // The descriptor of one that was handed over at the start, and that a reload has closed, may be anything by now.
  if (address.kind == ListenAddress::Kind::handed && !before.empty())
    throw DoorError(address.place, "cannot listen on " + address.text +
                                       ": a reload has closed the socket that was handed over; restart the server");
  try {
    return {address, address, listen(io, address, keepalive)};
  } catch (const std::system_error& e) {
    const auto same_port = [&](const Door& door) {
      return address.kind == ListenAddress::Kind::tcp && door.address.kind == address.kind &&
             door.address.port == address.port;
    };
    const auto own = std::find_if(before.begin(), before.end(), same_port);
    if (e.code().value() != EADDRINUSE || own == before.end()) throw DoorError(address.place, e.what());
    throw DoorError(address.place, std::string(e.what()) + ": by this server itself, at " + own->address.text +
                                       "; take that address out first, reload, and add this one then");
  } catch (const std::runtime_error& e) {
    throw DoorError(address.place, e.what());
  }
}

}  // namespace

bool same_rights(const ListenAddress& a, const ListenAddress& b) {
  return a.mode == b.mode && a.owner == b.owner && a.group == b.group;
}

Doors make_doors(boost::asio::io_context& io, const std::vector<ListenAddress>& wanted, const Doors& before,
                 unsigned keepalive, const DoorMade& made) {
  Doors doors, left = before;
  for (const ListenAddress& address : wanted) {
    const auto known =
        std::find_if(left.begin(), left.end(), [&](const Door& door) { return same_door(door.address, address); });
    if (known != left.end()) {
      doors.push_back({address, known->made_for, known->listeners});
      left.erase(known);
      continue;
    }
    doors.push_back(make_door(io, address, before, keepalive));
    if (made) made(doors.back());
  }
  return doors;
}

Doors doors_without(const Doors& all, const Doors& others) {
  Doors rest;
  for (const Door& door : all)
    if (std::none_of(others.begin(), others.end(),
                     [&](const Door& other) { return other.listeners == door.listeners; }))
      rest.push_back(door);
  return rest;
}

std::vector<std::string> addresses_of(const Doors& doors) {
  std::vector<std::string> addresses;
  for (const Door& door : doors)
    for (const auto& listener : door.listeners) addresses.push_back(listener->address());
  return addresses;
}

void close_doors(const Doors& doors) {
  for (const Door& door : doors)
    for (const auto& listener : door.listeners) listener->stop();
}

}  // namespace ashlar::host
