// Catalog: what the handshake wants to know of the exports, those alone that this client may open. The seam between the
// pure protocol and the chains.
#pragma once
#include <ashlar/geometry.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::protocol {

class Catalog {
 public:
  virtual ~Catalog() = default;
  // Exports are told of by their place, below this. Those that other() has found have places behind.
  virtual std::size_t size() const = 0;
  virtual std::string_view name(std::size_t index) const = 0;
  virtual std::string_view description(std::size_t index) const = 0;
  // Whether export `index` is for clients by TLS only.
  virtual bool requires_tls(std::size_t index) const = 0;

  // Whether `index` is none that can be opened, but a template: what stands for all exports whose names fit.
  virtual bool is_template(std::size_t) const { return false; }
  struct Listed {
    std::string name, description;  // no description: as the template has it
  };
  // The exports that the template `index` stands for now, `most` at most; null: none. May block.
  virtual std::shared_ptr<const std::vector<Listed>> listed(std::size_t, std::size_t /*most*/) { return nullptr; }
  // The place of an export that is not among those above, the same when it is asked for again soon; the export that is
  // open keeps it. None: there is none of this name. May block.
  virtual std::optional<std::size_t> other(std::string_view) { return std::nullopt; }

  struct Opened {
    const Geometry* geometry = nullptr;  // null: cannot be opened
    std::string error{};                 // why, in words that the client may read
    bool is_there = true;                // false: there is no such export after all
  };
  // Opens export `index` for this connection, which has asked for it by `name`, or gives what is already open. Opening
  // another one closes the first. The geometry stays valid until then. May block.
  virtual Opened open(std::size_t index, std::string_view name) = 0;
  // Called before transmission begins on the export that is open. Returns why it cannot begin, in words that the client
  // may read, and then nothing is open any more; empty: it can. May block.
  virtual std::string enter() = 0;
  // Whether the server stops, so that no option comes to anything any more.
  virtual bool stops() const { return false; }
  // Hears that the client has asked in vain for an export called `name`.
  virtual void unknown(std::string_view name) = 0;
};

// The export a client asks for by `name`; the empty name is the first export's that is no template.
inline std::optional<std::size_t> find_export(Catalog& catalog, std::string_view name) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < catalog.size(); ++i) {
    if (catalog.is_template(i)) continue;
    if (catalog.name(i) == name) return i;
    if (!first) first = i;
  }
  return name.empty() ? first : catalog.other(name);
}

}  // namespace ashlar::protocol
