// Device: a layer opened for one connection. Plugins and filters derive from Plugin and Filter rather than from this.
#pragma once
#include <ashlar/client.hpp>
#include <ashlar/geometry.hpp>
#include <ashlar/host.hpp>
#include <ashlar/io.hpp>
#include <ashlar/params.hpp>

namespace ashlar {

class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  // Called once, right after construction. A filter may read the layer below in it. May throw; the text reaches the
  // operator. [control]
  virtual Geometry describe() = 0;

  // The seven ops. Each returns when the request is done. The range lies within the size, starts and ends on the
  // minimum block (or ends at the size) and is not empty. [data]
  virtual Status read(Io&) noexcept { return Status::not_supported(); }
  virtual Status write(Io&) noexcept { return Status::not_supported(); }
  virtual Status flush(Io&) noexcept { return Status::not_supported(); }
  virtual Status trim(Io&) noexcept { return Status::not_supported(); }
  virtual Status zero(Io&) noexcept { return Status::not_supported(); }
  virtual Status cache(Io&) noexcept { return Status::not_supported(); }
  virtual Status extents(Io&) noexcept { return Status::not_supported(); }

  // Sends a request to its op. [data]
  virtual Status process(Io& io) noexcept {
    switch (io.op()) {
      case Op::read: return read(io);
      case Op::write: return write(io);
      case Op::flush: return flush(io);
      case Op::trim: return trim(io);
      case Op::zero: return zero(io);
      case Op::cache: return cache(io);
      case Op::extents: return extents(io);
    }
    return Status::not_supported();
  }

  // An optional ability that this device offers, by its id, or nullptr: a struct of abi.h, or of who owns the id, that
  // lives as long as the device. [any]
  virtual const void* extension(const char* id) noexcept {
    static_cast<void>(id);
    return nullptr;
  }
};

// What a layer is created with, once per layer in the config.
struct Create {
  Host host;                     // stays valid as long as the layer
  Params params;                 // the texts in it, too
  const char* export_name = "";  // as the config has it; stays valid, too
  std::uint32_t place = 1;       // in the export's chain: 1 for the uppermost layer, one more for each below it
};

// What a device is opened for.
enum class Purpose : std::uint32_t {
  client = ASHLAR_OPEN_FOR_CLIENT,
  trial = ASHLAR_OPEN_ON_TRIAL,  // to see whether it can be opened: no request comes but of a describe() above
  verb = ASHLAR_OPEN_FOR_VERB,   // for a verb of a layer above
};

// A module whose Layer has a `void begin_serving()` has the extension ASHLAR_SERVING_ID: that is called once, before
// the first client comes and never by `ashlar check`, and may throw, as a constructor may. [control]

// What a device is opened with, once per connection. What its pointers lead to, and a copy of it, are valid as long as
// the device; the struct itself during the constructor.
struct Open {
  const char* export_name = "";
  // Nothing is written through this device. Others of the layer may be written through at the same time.
  bool read_only = false;
  Purpose purpose = Purpose::client;
  Host host;
  const ashlar_device* next = nullptr;     // filter: the layer below
  const ashlar_geometry* below = nullptr;  // filter: what the layer below offers
  std::optional<Client> client = {};       // none: `purpose` is another
  const ashlar_open* raw = nullptr;        // for extension()

  // A service for this connection (ASHLAR_REOPEN_ID, ASHLAR_DISCONNECT_ID), or nullptr. [any]
  const void* extension(const char* id) const noexcept {
    return raw != nullptr ? raw->extension(raw->self, id) : nullptr;
  }
};

// For modules without state of their own beside the device.
struct NoLayer {
  explicit NoLayer(const Create& create) : host(create.host) {}
  Host host;
};

}  // namespace ashlar
