// Opened: one layer of a chain, opened, and what it was opened with.
#pragma once
#include <ashlar/ops.hpp>

#include <optional>
#include <span>

#include "chain/activity.hpp"
#include "chain/for_client.hpp"
#include "chain/joint.hpp"

namespace ashlar::host {

class Chain;
class Layer;

// A reply that has left: the client's request, and what it was told; see ASHLAR_REPLIED_ID.
struct Replied {
  std::uint64_t id;
  std::int32_t status;
};

// Keeps its address: the layer's device points to it.
class Opened {
 public:
  // `below`: the layer that it stands on; null: it is the plugin. `index`: from the plugin up.
  Opened(const Layer& of, Chain& chain, std::size_t index, Opened* below, bool read_only, std::uint32_t purpose,
         const ForClient* client);
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened() { close(); }

  // Throws OpenError; what was opened until then is closed by close().
  void open();
  void close();

  const Layer& layer() const { return layer_; }
  const ashlar_device& device() const { return device_; }
  // As it described itself the first time; see fits().
  const ashlar_geometry& geometry() const { return geometry_; }
  // From now on nobody above is offered to be lent bytes.
  void lend_nothing() { geometry_.flags &= ~Flag::lending.bits(); }
  // Whether replied() tells the device from now on; false also when it does not want to be told.
  bool tell_of_replies(bool on);
  // Tells the device that the replies to these requests have left. (abi.h, ASHLAR_REPLIED_ID)
  void replied(std::span<const Replied> replies);
  // For the layer above. Once the device is open.
  Joint& joint();

 private:
  void describe();
  static const void* service(void* self, const char* id) noexcept;
  static std::uint64_t generation(void* self) noexcept;
  static std::int32_t reopen(void* self, std::uint64_t seen, ashlar_error* error) noexcept;
  static void disconnect(void* self) noexcept;

  const Layer& layer_;
  Chain& chain_;
  const std::size_t index_;
  Opened* const below_;
  const ForClient* const client_;
  const ashlar_open how_;
  const ashlar_reopen reopen_;
  const ashlar_disconnect disconnect_;
  bool is_open_ = false;
  bool in_open_ = false;  // the module's open is under way
  ashlar_device device_{};
  bool described_ = false;
  ashlar_geometry geometry_{};
  const ashlar_replied* told_ = nullptr;  // null: it is not told of replies
  std::optional<Joint> joint_;
};

}  // namespace ashlar::host
