// cow: a writable overlay over what is never written below.
#include <algorithm>
#include <ashlar/blocking.hpp>
#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/rules/text.hpp>
#include <atomic>
#include <bit>
#include <stdexcept>

#include "overlay.hpp"

using namespace ashlar;

namespace {

constexpr const char* usual_folder = "/var/tmp";
// Bytes that the requests of a layer have in buffers, all together.
constexpr std::uint64_t most_on_their_way = 32 << 20;
constexpr const char* scopes[] = {"connection", "export", nullptr};

// What would keep the overlay from being made is told before the server takes clients, and by `ashlar check`, too.
void must_have_room(const Settings& settings) {
  const bool kept = !settings.path.empty();
  try {
    if (kept) Store::must_have_room_for(settings.path);
    else Store::must_have_room(settings.folder);
  } catch (const std::system_error& e) {
    throw BadParameter(kept ? "path" : "store", e.what(), e.code().value());
  }
}

// Throws BadParameter.
Settings settings_of(const Params& params) {
  Settings settings;
  settings.block = params.size("block_size");
  if (!std::has_single_bit(settings.block))
    throw BadParameter("block_size", "block_size = " + std::to_string(settings.block) + " is not a power of two");
  if (params.has("max_size")) settings.max_bytes = params.size("max_size");
  if (settings.max_bytes < settings.block)
    throw BadParameter("max_size", "max_size = " + std::to_string(settings.max_bytes) + " is less than one block of " +
                                       std::to_string(settings.block) + " bytes (block_size)");
  settings.on_read = params.boolean("on_read");
  settings.folder = params.path("store");
  settings.path = std::string(params.path("path"));
  const bool kept = !settings.path.empty();
  if (kept && params.choice("scope") != "export")
    throw BadParameter("path", "path needs scope = \"export\": the overlay of a connection goes with it");
  if (kept && settings.folder != usual_folder) throw BadParameter("store", "store and path exclude each other");
  must_have_room(settings);
  return settings;
}

// Whether the only argument is "force".
bool is_forced(const VerbCall& call) {
  const auto& given = call.arguments();
  if (given.empty()) return false;
  if (given.size() == 1 && given[0] == "force") return true;
  throw std::invalid_argument("takes no argument but \"force\", and was given " +
                              rules::in_quotes(given[0] == "force" ? given[1] : given[0]));
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
      Param::size(
          "block_size",
          "bytes, a power of two, that the overlay takes at a time; with path or on_read they are copied as a whole")
          .range(4096, 1 << 20)
          .or_else("64K"),
      Param::boolean("on_read", "keep what was read of the layer below, too").or_else("false"),
      Param::size("max_size", "the most that the overlay may take, in bytes, counted in whole blocks")
          .range(65536, INT64_MAX),
  };

  Cow(Layer& layer, const Open& open);
  ~Cow() override {
    if (overlay_ != nullptr) overlay_->leave();
  }

  Geometry describe() override;
  Status process(Io& io) noexcept override;
  Status read(Io& io) noexcept override { return overlay_->read(io, base(), !read_only_, lent_); }
  Status write(Io& io) noexcept override { return overlay_->write(io, base()); }
  Status zero(Io& io) noexcept override { return overlay_->zero(io, base()); }
  Status trim(Io& io) noexcept override { return overlay_->trim(io); }
  Status flush(Io& io) noexcept override { return overlay_->flush(io); }
  Status cache(Io& io) noexcept override {
    return io.has(Flag::nowait) && !below().flags.has(Flag::nowait) ? Status::would_block() : hand_on(io);
  }
  Status extents(Io& io) noexcept override { return overlay_->extents(io, base(), below().ops.has(Op::extents)); }

 private:
  void look_after_verb() const;
  Status look(Io& io) noexcept;
  Status peek(Io& io) noexcept;
  Base base() noexcept {
    const auto call = [](void* self, Io& io) noexcept { return static_cast<Cow*>(self)->next(io); };
    return {this, call, below().size, below().minimum, below().maximum, below().flags.has(Flag::nowait), user_, {}};
  }
  template <class Begin>
  bool try_to(Begin begin) noexcept;

  Layer& layer_;
  const bool read_only_;
  const Purpose purpose_;
  fileops::ByteLimit::User user_;
  std::shared_ptr<Overlay> overlay_;
  Lent lent_;
  RangeLock looking_;
  std::unique_ptr<Overlay> seen_;  // on trial: the overlay of `path` as its file has it
};

class Cow::Layer {
 public:
  explicit Layer(const Create& create)
      : settings_(settings_of(create.params)),
        per_export_(create.params.choice("scope") == "export"),
        host_(create.host),
        figures_(Metrics(create.host)),
        on_their_way_(fileops::wait_of(create.host), most_on_their_way),
        verbs_(create) {
    verbs_.offer("status", "how much the overlay holds", [this](VerbCall& call) {
      call.refuse_arguments();
      call.answer(of_export().status());
    });
    verbs_.offer("discard", "forget all that was written; with force also what a commit has left unfinished",
                 [this](VerbCall& call) { discard(call); });
    verbs_.offer("commit", "write the overlay into the layers below, and empty it", Below::write,
                 [this](VerbCall& call) { commit(call); });
  }

  const Settings& settings() const { return settings_; }
  bool per_export() const { return per_export_; }
  const Host& host() const { return host_; }
  // Of the devices that are opened for clients, and on trial.
  void note_read_only(bool read_only) { read_only_ = read_only; }
  // The overlay that a device over `base` uses. Throws BadParameter, std::system_error.
  std::shared_ptr<Overlay> overlay(const Base& base);
  // The same overlay, to be looked at. Throws likewise.
  std::unique_ptr<Overlay> as_it_is(const Base& base);
  // Makes what is to be there from the start, and finds out whether a file can be made where one will be needed.
  void begin_serving();

 private:
  const std::shared_ptr<Overlay>& fitting(const Base& base) const;
  Overlay& of_export();
  void discard(VerbCall& call);
  void commit(VerbCall& call);

  const Settings settings_;
  const bool per_export_;
  const Host host_;
  const Figures figures_;
  fileops::ByteLimit on_their_way_;
  std::atomic<bool> read_only_{false};
  std::mutex mutex_;  // not held over a call below
  std::shared_ptr<Overlay> shared_;
  Verbs verbs_;  // last: it is gone before what its verbs use
};

Cow::Cow(Layer& layer, const Open& open)
    : Filter(open), layer_(layer), read_only_(open.read_only), purpose_(open.purpose), looking_(Wait(layer.host())) {}

std::shared_ptr<Overlay> Cow::Layer::overlay(const Base& base) {
  if (!per_export_)
    return std::make_shared<Overlay>(settings_, figures_, on_their_way_, base.size, base.minimum, 0, host_);
  {
    const std::lock_guard lock(mutex_);
    if (shared_ != nullptr) return fitting(base);
  }
  const auto made = std::make_shared<Overlay>(settings_, figures_, on_their_way_, base.size, base.minimum,
                                              settings_.path.empty() ? 0 : base.fingerprint(), host_);
  if (!settings_.path.empty()) made->check_kept();
  const std::lock_guard lock(mutex_);
  if (shared_ == nullptr) shared_ = made;
  return fitting(base);
}

// shared_, if it can lie over `base`. With mutex_ held.
const std::shared_ptr<Overlay>& Cow::Layer::fitting(const Base& base) const {
  if (shared_->size() != base.size)
    throw std::runtime_error("the layer below has " + std::to_string(base.size) + " bytes, and had " +
                             std::to_string(shared_->size()) + " when the overlay was begun");
  if (shared_->part() < base.minimum)
    throw std::runtime_error("the layer below has blocks of " + std::to_string(base.minimum) +
                             " bytes, and had smaller ones when the overlay was begun");
  return shared_;
}

std::unique_ptr<Overlay> Cow::Layer::as_it_is(const Base& base) {
  auto overlay =
      std::make_unique<Overlay>(settings_, figures_, on_their_way_, base.size, base.minimum, base.fingerprint(), host_);
  overlay->begin_to_look();
  return overlay;
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
  std::shared_ptr<Overlay> shared;
  {
    const std::lock_guard lock(mutex_);
    shared = shared_;
  }
  if (shared != nullptr) shared->begin();
}

Overlay& Cow::Layer::of_export() {
  if (!per_export_) throw std::runtime_error("scope = \"connection\": each connection has an overlay of its own");
  const std::lock_guard lock(mutex_);
  if (shared_ == nullptr) throw std::runtime_error("no client has come yet");
  return *shared_;
}

// That an export is read-only the host only sees to for verbs that write below.
void Cow::Layer::discard(VerbCall& call) {
  const bool force = is_forced(call);
  Overlay& overlay = of_export();
  if (read_only_)
    throw std::runtime_error("nothing may be changed here: the export is read-only, or the layers above write nothing");
  call.answer(overlay.discard(force));
}

void Cow::Layer::commit(VerbCall& call) {
  call.refuse_arguments();
  Overlay& overlay = of_export();
  if (!call.has_below()) throw std::runtime_error("there are no layers below");
  const auto next = [](void* self, Io& io) noexcept { return static_cast<const VerbCall*>(self)->next(io); };
  const Flags durable = call.below().ops.has(Op::flush) ? Flags{} : call.below().flags & Flag::fua;
  fileops::ByteLimit::User user;
  const Base base{&call, next, call.below().size, call.below().minimum, call.below().maximum, false, user, durable};
  if (base.size != overlay.size()) throw std::runtime_error("the layer below has another size than the overlay");
  const std::string answer = overlay.commit(base);
  if (!call.below().ops.has(Op::flush) && !call.below().flags.has(Flag::fua))
    host_.log(Level::warn,
              "the layers below have neither flush nor FUA: what was committed lasts no longer than they keep it");
  call.answer(answer);
}

// A commit above empties an overlay that is kept: what it writes here would have to last as long.
void Cow::look_after_verb() const {
  if (!layer_.per_export())
    throw BadParameter("scope", "scope = \"connection\": what is written here would be gone with its connection",
                       EROFS);
  if (layer_.settings().path.empty())
    layer_.host().log(Level::warn,
                      "opened for a verb of a layer above: what that writes here is gone with the server, for this "
                      "overlay has no path");
}

Geometry Cow::describe() {
  if (purpose_ != Purpose::verb) layer_.note_read_only(read_only_);
  else if (!read_only_) look_after_verb();
  if (layer_.settings().block < below().minimum)
    throw BadParameter("block_size", "block_size = " + std::to_string(layer_.settings().block) + " is less than the " +
                                         std::to_string(below().minimum) + " byte blocks of the layer below");
  overlay_ = layer_.overlay(base());
  if (purpose_ != Purpose::trial) {
    overlay_->use();
    overlay_->begin();
  }
  Geometry g = offer(Flag::shortcuts);
  g.ops = (g.ops & Ops{Op::cache}) | Op::read | Op::flush | Op::extents;
  g.flags |= Flag::fua | Flag::req_one | Flag::nowait;
  if (layer_.settings().path.empty()) g.flags |= Flag::lending;
  g.read_only = read_only_;
  if (!read_only_) {
    g.ops |= Ops::writing();
    g.flags |= Flag::may_trim | Flag::fast;
  }
  g.zero_may_fail = false;
  g.parks = Blocking(layer_.host()).offered();
  // With an overlay for each connection another one sees nothing of what was written here.
  g.multi_conn = layer_.per_export();
  return g;
}

template <class Begin>
bool Cow::try_to(Begin begin) noexcept {
  try {
    begin();
    return true;
  } catch (const std::exception& e) {
    layer_.host().log(Level::error, "the overlay cannot be used: %s", e.what());
    return false;
  }
}

// What a layer above reads to describe itself, before the store was made: the layer below, as nothing was written.
Status Cow::peek(Io& io) noexcept {
  if (io.op() == Op::read || below().ops.has(Op::extents)) return hand_on(io);
  io.add_extent(io.length(), Extent::allocated);
  return Status::success();
}

// What a layer above reads on trial, before the store was opened. Another server may have the file: it is not touched.
Status Cow::look(Io& io) noexcept {
  if (!overlay_->is_there()) return peek(io);
  const bool seen = try_to([this] {
    const Alone alone(looking_);
    if (seen_ == nullptr) seen_ = layer_.as_it_is(base());
  });
  if (!seen) return Status::io_error();
  return io.op() == Op::read ? seen_->read(io, base(), false, lent_)
                             : seen_->extents(io, base(), below().ops.has(Op::extents));
}

Status Cow::process(Io& io) noexcept {
  if (overlay_->has_begun()) return Filter::process(io);
  const bool looks = io.op() == Op::read || io.op() == Op::extents;
  if (purpose_ == Purpose::trial && looks) return look(io);
  const bool begun = try_to([this] {
    overlay_->use();
    overlay_->begin();
  });
  return begun ? Filter::process(io) : Status::io_error();
}

ASHLAR_MODULE(Cow, .name = "cow", .version = "1.0", .summary = "a writable overlay over what is never written",
              .threads = Threads::parallel)
