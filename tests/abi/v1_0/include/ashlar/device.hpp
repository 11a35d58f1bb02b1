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

  // Called once, right after construction. May throw; the text reaches the operator. [control]
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
  Host host;      // stays valid as long as the layer
  Params params;  // the texts in it, too
};

// What a device is opened with, once per connection. Valid as long as the device.
struct Open {
  const char* export_name = "";
  bool read_only = false;
  Host host;
  const ashlar_device* next = nullptr;     // filter: the layer below
  const ashlar_geometry* below = nullptr;  // filter: what the layer below offers
  std::optional<Client> client = {};       // none: opened on trial, or for a verb
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
