// Doors: the addresses at which the server listens, each with its listeners.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "listener/listener.hpp"

namespace ashlar::host {

struct Door {
  ListenAddress address;
  ListenAddress made_for;  // the same address, with the rights that the socket's file was made with
  Listeners listeners;     // at least one: a name may stand for several addresses
};
using Doors = std::vector<Door>;

// An address cannot be listened at.
class DoorError : public std::runtime_error {
 public:
  DoorError(const Place& place, const std::string& what) : std::runtime_error(what), place_(place) {}
  const Place& place() const { return place_; }  // of the address; line 0: it stands in no file

 private:
  Place place_;
};

// What may stop the making of doors between two of them, by an exception; and hears of each that is there.
using DoorMade = std::function<void(const Door&)>;

// One door for each of `wanted`, in their order: that of `before` which is at the same address, or a new one, which
// does not accept clients yet. Throws DoorError, which names the address, when one cannot be listened at. [any
// thread]
Doors make_doors(boost::asio::io_context& io, const std::vector<ListenAddress>& wanted, const Doors& before,
                 unsigned keepalive, const DoorMade& made);

// The doors of `all` that are not among `others`.
Doors doors_without(const Doors& all, const Doors& others);

// Their listeners' addresses.
std::vector<std::string> addresses_of(const Doors& doors);

void close_doors(const Doors& doors);  // [the io thread]

// Whether the socket's file is to have the same mode, owner and group.
bool same_rights(const ListenAddress& a, const ListenAddress& b);

}  // namespace ashlar::host
