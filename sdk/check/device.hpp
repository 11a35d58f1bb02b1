// Layer and Device: a module's, made as the host makes them, with an eye on all that abi.h says of a call.
#pragma once
#include <ashlar/geometry.hpp>
#include <ashlar/io.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory.hpp"
#include "padded.hpp"
#include "refused.hpp"
#include "services.hpp"
#include "sink.hpp"
#include "values.hpp"
#include "watch.hpp"

namespace ashlar::check {

// The layer below a filter, as one connection has it.
class Below {
 public:
  virtual ~Below() = default;
  virtual const ashlar_device* device() const = 0;
  virtual const ashlar_geometry* geometry() const = 0;
  // In place of a request's id: of a call from which the layer above may only read.
  static constexpr std::uint64_t in_describe = UINT64_MAX, in_reading_verb = UINT64_MAX - 1;
  static constexpr std::uint64_t in_writing_verb = UINT64_MAX - 2;
  // A thread of the layer above is in a call, from which it may use this one; `id`: of the request, 0: of none.
  virtual void enter(std::uint64_t id) = 0;
  virtual void leave(std::uint64_t id) = 0;
};

// A request, and what came of it.
struct Request {
  Op op = Op::read;
  std::uint64_t offset = 0, length = 0;
  Flags flags = {};
  std::byte* data = nullptr;
  Sink* sink = nullptr;
  std::uint64_t id = 0;  // 0: one is made up, or it is of no client's

  std::int32_t lent_fd = -1;
  bool cold = false;
  std::uint64_t lent_offset = 0;

  std::string text() const { return request_text(static_cast<std::uint32_t>(op), offset, length, flags.bits()); }
  std::uint64_t end() const { return offset + length; }
  bool lent() const { return lent_fd != -1; }
};

// A layer. Outlives its devices, and is outlived by the services.
class Layer {
 public:
  // Throws Refused, Broken, and std::invalid_argument when `given` does not fit the module's table.
  // `on_trial`: it will not serve, as those of `ashlar check`.
  Layer(const ashlar_module& module, Services& services, const testing::Given& given, Watch& watch,
        bool on_trial = false);
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  const ashlar_module& module() const { return module_; }
  void* self() const { return layer_->self; }
  bool never_writes_below() const { return (layer_->traits & ASHLAR_NEVER_WRITES_BELOW) != 0; }
  Services& services() const { return services_; }
  const LayerHost& host() const { return host_; }
  Watch& watch() const { return watch_; }
  std::uint64_t new_id() { return ++ids_; }
  // Counts the requests that come without an id of their own.
  std::uint64_t new_request() { return ++requests_; }
  std::uint64_t new_turn() { return ++turns_; }
  std::uint64_t new_client() { return ++clients_; }
  // Throws Broken if the module has changed what it was only to read.
  void look() const;

 private:
  void begin_serving();

  const ashlar_module& module_;
  const std::vector<std::uint8_t> table_;  // as the module had it
  Services& services_;
  Watch& watch_;
  LentValues values_;
  LayerHost& host_;
  Padded<ashlar_create> create_;
  Padded<ashlar_layer> layer_;
  std::atomic<std::uint64_t> ids_{1000}, requests_{0}, turns_{0}, clients_{0};
};

struct Opening {
  bool read_only = false;
  std::uint32_t purpose = ASHLAR_OPEN_FOR_CLIENT;
  Below* below = nullptr;  // outlives the device
};

// A device, opened and described; closed when it goes out of scope.
class Device {
 public:
  // Throws Refused and Broken.
  Device(Layer& layer, const Opening& how);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Geometry& geometry() const { return geometry_; }
  const ashlar_geometry& raw_geometry() const { return *described_.get(); }
  const ashlar_device& raw() const { return *device_.get(); }
  bool offers(Op op, Flags flags = {}) const { return geometry_.ops.has(op) && geometry_.flags.has(flags); }

  // Counts what is done by turns.
  std::uint64_t new_turn() const { return layer_.new_turn(); }
  // Sends a request and looks at all that holds of each: throws Broken. [threads as the module allows]
  Status send(Request& request) const;
  // Throws Broken, too, if the device has changed what it was only to read.
  void look() const;

 private:
  // Whose request it is, as the layers above could have it.
  struct Origin {
    std::uint64_t id;  // 0: of no client's
    bool last;         // no other is made of the client's request
    bool longer;       // its struct is that of a later host
  };
  Origin origin(std::uint64_t id) const;
  void tell_replied(std::uint64_t id, std::int32_t status) const;
  void describe();
  void ask_for_replied();
  void must_fit(const Request& request, const ashlar_io& asked, const ashlar_io& io, std::int32_t status) const;

  Layer& layer_;
  Below* const below_;
  static constexpr const char* name_of_the_export = "export";
  const std::string export_name_ = name_of_the_export;
  Padded<ashlar_client> client_;
  Padded<ashlar_open> open_;
  Padded<ashlar_device> device_;
  Padded<ashlar_geometry> described_;
  Geometry geometry_;
  const ashlar_replied* replied_ = nullptr;
};

}  // namespace ashlar::check
