// Catalog: what the handshake wants to know of the exports, those alone that this client may open. The seam between the
// pure protocol and the chains.
#pragma once
#include <ashlar/geometry.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace ashlar::protocol {

class Catalog {
 public:
  virtual ~Catalog() = default;
  virtual std::size_t size() const = 0;
  virtual std::string_view name(std::size_t index) const = 0;
  virtual std::string_view description(std::size_t index) const = 0;
  // Whether export `index` is for clients by TLS only.
  virtual bool requires_tls(std::size_t index) const = 0;

  struct Opened {
    const Geometry* geometry = nullptr;  // null: cannot be opened
    std::string error;                   // why, in words that the client may read
  };
  // Opens export `index` for this connection, which has asked for it by `name`, or gives what is already open. Opening
  // another one closes the first. The geometry stays valid until then. May block.
  virtual Opened open(std::size_t index, std::string_view name) = 0;
  // Called before transmission begins on the export that is open. Returns why it cannot begin, in words that the client
  // may read, and then nothing is open any more; empty: it can. May block.
  virtual std::string enter() = 0;
  // Hears that the client has asked in vain for an export called `name`.
  virtual void unknown(std::string_view name) = 0;
};

// The export a client asks for by `name`; the empty name is the first export's.
inline std::optional<std::size_t> find_export(const Catalog& catalog, std::string_view name) {
  for (std::size_t i = 0; i < catalog.size(); ++i)
    if (catalog.name(i) == name) return i;
  if (name.empty() && catalog.size() != 0) return 0;
  return std::nullopt;
}

}  // namespace ashlar::protocol
