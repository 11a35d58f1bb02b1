// Chain: the layers of an export, opened for one connection.
#pragma once
#include <ashlar/geometry.hpp>
#include <memory>
#include <shared_mutex>
#include <span>
#include <vector>

#include "chain/activity.hpp"
#include "chain/for_client.hpp"
#include "chain/joint.hpp"
#include "chain/opened.hpp"

namespace ashlar::host {

class Export;
class Layer;
struct Layers;

// Owned by one connection; the export outlives it.
class Chain {
 public:
  // `purpose`: ASHLAR_OPEN_*. `client`: null: it is for none.
  Chain(const Export& of, Layers& layers, std::uint32_t purpose, const ForClient* client);
  ~Chain();  // closes from the top down
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  // What the top offers, cut to what a read-only export allows. Fixed at open.
  const Geometry& geometry() const { return geometry_; }
  // What each layer offers, from the client's side down.
  std::vector<Geometry> geometries() const;
  // Whether no layer ever blocks its thread but by waiting as the host waits. (abi.h, ASHLAR_PARKS)
  bool parks() const;
  const Export& exported() const { return export_; }

  // Runs one request through the layers; returns 0 or an errno number. ESHUTDOWN: it waited for its turn in a serial
  // export until the server stopped, and was not begun. [several threads at once, also if the export is serial]
  int process(ashlar_io& io) { return serial_ ? process_serial(io) : call(io); }
  // While it lives, the calling thread counts as inside the plugin, since `since`: to stand around a wait for bytes
  // that reads have lent. [any thread]
  Inside waiting_for_lent(std::chrono::steady_clock::time_point since);

  // Whether a layer wants to be told of replies.
  bool wants_replies() const { return wants_replies_; }
  // Tells the layers that want it, one after the other from the top down, which replies have left together. (abi.h,
  // ASHLAR_REPLIED_ID) [any thread, outside of process()]
  void replied(std::span<const Replied> replies);
  void replied(std::uint64_t id, std::int32_t status) {
    const Replied one{id, status};
    replied({&one, 1});
  }

 private:
  friend class Export;
  friend class Opened;
  // `read_only`: the layer will not be written to. Throws OpenError, Stopped; what was opened before stays open until
  // the destructor.
  void open_on_top(const Layer& layer, bool read_only);
  void finish(bool read_only);
  void make_read_only();
  std::int32_t reopen_below(std::size_t above, ashlar_error* error) noexcept;
  int process_serial(ashlar_io& io);
  int call(ashlar_io& io);

  const Export& export_;
  Layers& layers_;
  const bool serial_;
  const std::uint32_t purpose_;
  Activity& activity_;
  const ForClient* const client_;
  Cancellation* const of_reads_;
  Cancellation* const of_writes_;
  std::vector<std::unique_ptr<Opened>> opened_;  // bottom first
  std::shared_mutex telling_;                    // alone: who is told of replies changes
  bool wants_replies_ = false;
  bool exchanges_ = false;  // layers may be opened anew
  ashlar_device top_{};
  const LayerName* top_name_ = nullptr;
  Geometry geometry_;
};

inline int Chain::call(ashlar_io& io) {
  if ((io.flags & ASHLAR_NOWAIT) == 0) {
    const bool changes = Ops::changing().has(static_cast<Op>(io.op));
    const Inside inside(activity_, *top_name_, io, changes ? of_writes_ : of_reads_);
    return top_.process(top_.self, &io);
  }
  Note& note = activity_.note();
  note.enter(*top_name_, io);
  const int status = top_.process(top_.self, &io);
  note.leave();
  return status;
}

}  // namespace ashlar::host
