// cache: keeps what was read and written, over a slow layer below.
#include <ashlar/blocking.hpp>
#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <atomic>
#include <stdexcept>

#include "contents.hpp"

using namespace ashlar;

using caching::Contents;
using caching::Figures;
using caching::Settings;

namespace {

constexpr const char* writes[] = {"through", "back", nullptr};

}  // namespace

class Cache final : public Filter {
 public:
  static constexpr const char* group = "slow or failing backends";
  class Layer;
  static constexpr Param params[] = {
      Param::size("size", "bytes of what is kept").range(64 << 10, std::int64_t{1} << 50).or_else("256M"),
      Param::path("store", "folder of a file without a name that they are kept in; without it: memory"),
      Param::size("block_size", "bytes, a power of two: what is loaded at least, and kept or thrown out as a whole")
          .range(4096, 1 << 20)
          .or_else("64K"),
      Param::choice("write", writes, "through: a write is done when it is below; back: when it is kept here")
          .or_else("through"),
      Param::size("max_dirty",
                  "with write = \"back\": bytes that the layer below may not have yet; 64M, or half of size")
          .range(4096, INT64_MAX),
      Param::string("readahead", "\"auto\", \"off\", or the most that is read before it is asked for").or_else("auto"),
      Param::path("warm", "list of what is read together with anything of it, from ashlar trace prefetch"),
  };

  Cache(Layer& layer, const Open& open)
      : Filter(open),
        layer_(layer),
        read_only_(open.read_only || !below().ops.has(Op::write)),
        purpose_(open.purpose),
        contents_(take_part()) {}
  ~Cache() override { leave(); }

  Geometry describe() override;
  Status process(Io& io) noexcept override;
  Status read(Io& io) noexcept override { return contents_->read(io, here()); }
  Status write(Io& io) noexcept override { return contents_->write(io, here()); }
  Status zero(Io& io) noexcept override { return contents_->clear(io, here()); }
  Status trim(Io& io) noexcept override { return contents_->clear(io, here()); }
  Status flush(Io& io) noexcept override;
  Status cache(Io& io) noexcept override { return contents_->cache(io, here()); }
  Status extents(Io& io) noexcept override { return contents_->extents(io, here()); }

 private:
  caching::Below here() noexcept {
    const auto call = [](void* self, Io& io) noexcept { return static_cast<Cache*>(self)->next(io); };
    return {this, call, below(), user_};
  }
  bool writes_back() const;
  std::shared_ptr<Contents> take_part() const;
  void leave() noexcept;

  Layer& layer_;
  const bool read_only_;
  const Purpose purpose_;
  fileops::ByteLimit::User user_;
  const std::shared_ptr<Contents> contents_;
  std::atomic<std::uint64_t> known_losses_{contents_->losses()};  // of which it was told, or that were before it
};

class Cache::Layer {
 public:
  explicit Layer(const Create& create);

  const Settings& settings() const { return settings_; }
  const Host& host() const { return host_; }
  // What a device over `below` uses, from then until leave(). Devices over a layer that does not say that its
  // connections see the same disk have contents of their own. Throws BadParameter, std::runtime_error.
  std::shared_ptr<Contents> take_part(const Geometry& below, bool writes);
  // Whether it was the last one of those that write.
  bool leave(const Contents& contents, bool writes);
  // Finds out whether a file can be made where one will be needed.
  void begin_serving();

 private:
  // Throws what is told to who has asked a verb.
  std::shared_ptr<Contents> of_export();
  std::shared_ptr<Contents> of_export_over(const caching::Below& below);
  void offer_verbs();

  const Settings settings_;
  const Host host_;
  const Figures figures_;
  std::mutex mutex_;  // not held over a call below
  std::shared_ptr<Contents> shared_;
  unsigned sharing_ = 0;  // devices that use it
  unsigned writing_ = 0;  // those of them that write back
  Verbs verbs_;           // last: it is gone before what its verbs use
};

Cache::Layer::Layer(const Create& create)
    : settings_(create.params), host_(create.host), figures_(Metrics(create.host)), verbs_(create) {
  offer_verbs();
}

void Cache::Layer::offer_verbs() {
  const auto below_of = [](VerbCall& call, fileops::ByteLimit::User& user) {
    call.refuse_arguments();
    if (!call.has_below()) throw std::runtime_error("there are no layers below");
    const auto next = [](void* self, Io& io) noexcept { return static_cast<const VerbCall*>(self)->next(io); };
    return caching::Below{&call, next, call.below(), user};
  };
  verbs_.offer("status", "how much is kept, and how much of it the layer below does not have yet",
               [this](VerbCall& call) {
                 call.refuse_arguments();
                 call.answer(of_export()->status());
               });
  verbs_.offer("drop", "forget what the layer below has, too", [this](VerbCall& call) {
    call.refuse_arguments();
    call.answer(of_export()->drop());
  });
  verbs_.offer("warm", "load what the list of the parameter warm has", ashlar::Below::read,
               [this, below_of](VerbCall& call) {
                 call.refuse_arguments();
                 fileops::ByteLimit::User user;
                 const caching::Below below = below_of(call, user);
                 call.answer(of_export_over(below)->warm(below));
               });
  verbs_.offer("write-back", "write below what it does not have yet, and flush", ashlar::Below::write,
               [this, below_of](VerbCall& call) {
                 call.refuse_arguments();
                 fileops::ByteLimit::User user;
                 const caching::Below below = below_of(call, user);
                 call.answer(of_export_over(below)->write_back_now(below));
               });
}

std::shared_ptr<Contents> Cache::Layer::take_part(const Geometry& below, bool writes) {
  const auto made = [&] { return std::make_shared<Contents>(settings_, figures_, below.size, below.minimum, host_); };
  if (!below.multi_conn) return made();
  const std::lock_guard lock(mutex_);
  const bool fits = shared_ != nullptr && shared_->size() == below.size && shared_->unit() % below.minimum == 0;
  if (!fits) {
    if (shared_ != nullptr && (sharing_ != 0 || !shared_->is_clean()))
      throw std::runtime_error("the layer below has " + std::to_string(below.size) + " bytes, and had " +
                               std::to_string(shared_->size()) + " for what is kept of it still" +
                               (sharing_ != 0 ? "" : ": the verb write-back writes below what is not there yet"));
    shared_ = made();
  }
  ++sharing_;
  writing_ += writes;
  return shared_;
}

bool Cache::Layer::leave(const Contents& contents, bool writes) {
  const std::lock_guard lock(mutex_);
  if (&contents != shared_.get()) return writes;
  --sharing_;
  writing_ -= writes;
  return writes && writing_ == 0;
}

void Cache::Layer::begin_serving() {
  const std::lock_guard lock(mutex_);
  if (shared_ != nullptr) {
    shared_->begin();
  } else if (!settings_.folder.empty()) {
    try {
      static_cast<void>(caching::Store::in_file(settings_.folder, 1, settings_.block, host_));
    } catch (const std::system_error& e) {
      throw BadParameter("store", e.what(), e.code().value());
    }
  }
}

std::shared_ptr<Contents> Cache::Layer::of_export() {
  const std::lock_guard lock(mutex_);
  if (shared_ == nullptr)
    throw std::runtime_error(
        "nothing is kept for all connections: none has come, or the layer below has a disk for each");
  return shared_;
}

std::shared_ptr<Contents> Cache::Layer::of_export_over(const caching::Below& below) {
  std::shared_ptr<Contents> contents = of_export();
  if (below.geometry.size < contents->size() || contents->unit() % below.geometry.minimum != 0)
    throw std::runtime_error("the layers below do not fit what is kept, of " + std::to_string(contents->size()) +
                             " bytes in units of " + std::to_string(contents->unit()) + ": they have " +
                             std::to_string(below.geometry.size) + " bytes in blocks of " +
                             std::to_string(below.geometry.minimum));
  return contents;
}

bool Cache::writes_back() const { return layer_.settings().back && !read_only_; }

std::shared_ptr<Contents> Cache::take_part() const { return layer_.take_part(below(), writes_back()); }

// What was written is kept for no other writer: who comes next may come after the server's end.
void Cache::leave() noexcept {
  if (!layer_.leave(*contents_, writes_back()) || !contents_->has_begun()) return;
  contents_->write_back_all(here());
}

Geometry Cache::describe() {
  if (purpose_ != Purpose::trial) contents_->begin();
  Geometry g = offer(Flag::nowait);
  g.flags |= Flag::nowait;
  g.ops |= Op::cache;
  g.parks = Blocking(layer_.host()).offered();
  if (writes_back()) {
    g.ops |= Op::flush;
    // What others have written is not flushed through a device that may not write.
  } else if (layer_.settings().back) {
    g.multi_conn = false;
  }
  return g;
}

// What others have written is theirs to write below, and to hear of, also when this one was told of it below.
Status Cache::flush(Io& io) noexcept {
  if (writes_back()) return contents_->flush(io, here(), known_losses_);
  if (io.has(Flag::nowait) && !below().flags.has(Flag::nowait)) return Status::would_block();
  return layer_.settings().back ? contents_->flush_of_reader(io, here()) : next(io);
}

// On trial no memory was taken.
Status Cache::process(Io& io) noexcept {
  if (contents_->has_begun()) return Filter::process(io);
  try {
    contents_->begin();
  } catch (const std::exception& e) {
    layer_.host().log(Level::error, "nothing can be kept: %s", e.what());
    return Status::io_error();
  }
  return Filter::process(io);
}

ASHLAR_MODULE(Cache, .name = "cache", .version = "1.0",
              .summary = "keeps what was read and written, over a slow layer below", .threads = Threads::parallel)
