// cow: a writable overlay over what is never written below.
#include <algorithm>
#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <bit>
#include <stdexcept>

#include "overlay.hpp"

using namespace ashlar;

namespace {

constexpr const char* usual_folder = "/var/tmp";
constexpr const char* scopes[] = {"connection", "export", nullptr};

// Throws BadParameter.
Settings settings_of(const Params& params) {
  Settings settings;
  settings.block = params.size("block_size");
  if (!std::has_single_bit(settings.block))
    throw BadParameter("block_size", "block_size = " + std::to_string(settings.block) + " is not a power of two");
  if (params.has("max_size")) settings.max_bytes = params.size("max_size");
  settings.on_read = params.boolean("on_read");
  settings.folder = params.path("store");
  settings.path = std::string(params.path("path"));
  if (settings.path.empty()) return settings;
  if (params.choice("scope") != "export")
    throw BadParameter("path", "path needs scope = \"export\": the overlay of a connection goes with it");
  if (settings.folder != usual_folder) throw BadParameter("store", "store and path exclude each other");
  return settings;
}

}  // namespace

class Cow final : public Filter {
 public:
  static constexpr const char* group = "writes";
  class Layer;
  static constexpr bool never_writes_below = true;
  static constexpr Param params[] = {
      Param::choice("scope", scopes,
                    "whose writes are seen: connection: only its own, which go with it; export: those of all clients")
          .needed(),
      Param::path("store", "folder of the overlay, a file without a name").or_else(usual_folder),
      Param::path("path", "file of an overlay that is kept; with scope = \"export\""),
      Param::size("block_size", "bytes, a power of two, that are copied when a part of them is written")
          .range(4096, 1 << 20)
          .or_else("64K"),
      Param::boolean("on_read", "keep what was read of the layer below, too").or_else("false"),
      Param::size("max_size", "the most that the overlay may take, in bytes").range(4096, INT64_MAX),
  };

  Cow(Layer& layer, const Open& open)
      : Filter(open), layer_(layer), read_only_(open.read_only), purpose_(open.purpose) {}

  Geometry describe() override;
  Status process(Io& io) noexcept override;
  Status read(Io& io) noexcept override { return overlay_->read(io, base(), !read_only_); }
  Status write(Io& io) noexcept override { return overlay_->write(io, base()); }
  Status zero(Io& io) noexcept override { return overlay_->zero(io, base()); }
  Status trim(Io& io) noexcept override { return overlay_->trim(io); }
  Status flush(Io& io) noexcept override { return overlay_->flush(io); }
  Status cache(Io& io) noexcept override {
    return io.has(Flag::nowait) && !below().flags.has(Flag::nowait) ? Status::would_block() : hand_on(io);
  }
  Status extents(Io& io) noexcept override { return overlay_->extents(io, base(), below().ops.has(Op::extents)); }

 private:
  Base base() noexcept {
    const auto call = [](void* self, Io& io) noexcept { return static_cast<Cow*>(self)->next(io); };
    return {this, call, below().size, below().minimum, below().maximum, below().flags.has(Flag::nowait)};
  }
  bool begin() noexcept;

  Layer& layer_;
  const bool read_only_;
  const Purpose purpose_;
  std::shared_ptr<Overlay> overlay_;
};

class Cow::Layer {
 public:
  explicit Layer(const Create& create)
      : settings_(settings_of(create.params)),
        per_export_(create.params.choice("scope") == "export"),
        host_(create.host),
        verbs_(create) {
    verbs_.offer("status", "how much the overlay holds", [this](VerbCall& call) { call.answer(of_export().status()); });
    verbs_.offer("discard", "forget all that was written: the layers below show again",
                 [this](VerbCall& call) { call.answer(of_export().discard()); });
    verbs_.offer("commit", "write the overlay into the layers below, and empty it", Below::write,
                 [this](VerbCall& call) { commit(call); });
  }

  const Settings& settings() const { return settings_; }
  bool per_export() const { return per_export_; }
  const Host& host() const { return host_; }
  // The overlay that a device over `base` uses. Throws BadParameter, std::system_error.
  std::shared_ptr<Overlay> overlay(const Base& base);
  // Makes what is to be there from the start, and finds out whether a file can be made where one will be needed.
  void begin_serving();

 private:
  Overlay& of_export();
  void commit(VerbCall& call);

  const Settings settings_;
  const bool per_export_;
  const Host host_;
  std::mutex mutex_;  // not held over a call below
  std::shared_ptr<Overlay> shared_;
  Verbs verbs_;  // last: it is gone before what its verbs use
};

std::shared_ptr<Overlay> Cow::Layer::overlay(const Base& base) {
  if (!per_export_) return std::make_shared<Overlay>(settings_, base.size, 0, host_);
  {
    const std::lock_guard lock(mutex_);
    if (shared_ != nullptr && shared_->size() != base.size)
      throw std::runtime_error("the layer below has " + std::to_string(base.size) + " bytes, and had " +
                               std::to_string(shared_->size()) + " when the overlay was begun");
    if (shared_ != nullptr) return shared_;
  }
  const auto made =
      std::make_shared<Overlay>(settings_, base.size, settings_.path.empty() ? 0 : base.fingerprint(), host_);
  if (!settings_.path.empty()) made->check_kept();
  const std::lock_guard lock(mutex_);
  if (shared_ == nullptr) shared_ = made;
  return shared_;
}

void Cow::Layer::begin_serving() {
  if (!per_export_) {
    try {
      static_cast<void>(Store::temporary(settings_.folder, 0, host_));
    } catch (const std::system_error& e) {
      throw BadParameter("store", e.what(), e.code().value());
    }
    return;
  }
  const std::lock_guard lock(mutex_);
  if (shared_ != nullptr) shared_->begin();
}

Overlay& Cow::Layer::of_export() {
  if (!per_export_) throw std::runtime_error("scope = \"connection\": each connection has an overlay of its own");
  const std::lock_guard lock(mutex_);
  if (shared_ == nullptr) throw std::runtime_error("no client has come yet");
  return *shared_;
}

void Cow::Layer::commit(VerbCall& call) {
  Overlay& overlay = of_export();
  if (!call.has_below()) throw std::runtime_error("there are no layers below");
  const auto next = [](void* self, Io& io) noexcept { return static_cast<const VerbCall*>(self)->next(io); };
  const Base base{&call, next, call.below().size, call.below().minimum, call.below().maximum, false};
  if (base.size != overlay.size()) throw std::runtime_error("the layer below has another size than the overlay");
  call.answer(overlay.commit(base));
}

Geometry Cow::describe() {
  if (layer_.settings().block < below().minimum)
    throw BadParameter("block_size", "block_size = " + std::to_string(layer_.settings().block) + " is less than the " +
                                         std::to_string(below().minimum) + " byte blocks of the layer below");
  overlay_ = layer_.overlay(base());
  if (purpose_ != Purpose::trial) overlay_->begin();
  Geometry g = offer(Flag::shortcuts);
  g.ops = (g.ops & Ops{Op::cache}) | Op::read | Op::flush | Op::extents;
  g.flags |= Flag::fua | Flag::req_one | Flag::nowait;
  g.read_only = read_only_;
  if (!read_only_) {
    g.ops |= Ops::writing();
    g.flags |= Flag::may_trim | Flag::fast;
  }
  g.zero_may_fail = false;
  // With an overlay for each connection another one sees nothing of what was written here.
  g.multi_conn = layer_.per_export();
  return g;
}

// On trial the store was not made.
bool Cow::begin() noexcept {
  try {
    overlay_->begin();
    return true;
  } catch (const std::exception& e) {
    layer_.host().log(Level::error, "the overlay cannot be used: %s", e.what());
    return false;
  }
}

Status Cow::process(Io& io) noexcept {
  if (!overlay_->has_begun() && !begin()) return Status::io_error();
  return Filter::process(io);
}

ASHLAR_MODULE(Cow, .name = "cow", .version = "1.0", .summary = "a writable overlay over what is never written",
              .threads = Threads::parallel)
