// The rbd plugin: an image of a Ceph cluster as a disk, by librbd.
#include <rbd/librbd.h>

#include <algorithm>
#include <ashlar/plugin.hpp>
#include <cerrno>
#include <cstring>
#include <exception>

#include "layer.hpp"
#include "names.hpp"

using namespace ashlar;

constexpr const char* locks[] = {"auto", "require", "off", nullptr};

class Rbd final : public Plugin {
 public:
  using Layer = ::Layer;
  static constexpr bool connects = true;
  static constexpr const char* group = "disks of other machines";
  static constexpr Param params[] = {
      Param::string("pool", "that the image is in").or_else("rbd"),
      Param::string("namespace", "of the pool, that the image is in"),
      Param::string("image", "name of the image").needed(),
      Param::string("snapshot", "of the image, to be read"),
      Param::path("conf", "the cluster's configuration; without it /etc/ceph/ceph.conf, or where Ceph looks else"),
      Param::string("user", "who to be there, without client.").or_else("admin"),
      Param::secret("key", "of the user; without it that of the keyring that the configuration names"),
      Param::boolean("read_only", "open it for reading alone").or_else("false"),
      Param::choice("exclusive_lock", locks, "whether the image's exclusive lock is handed over, kept, or not there")
          .or_else("auto"),
      Param::boolean("cache", "whether librbd may answer writes that the cluster does not have yet").or_else("false"),
      Param::string("timeout", "how long the cluster may take to answer before a request fails").or_else("60s"),
      Param::list(Param::string("options", "of Ceph, \"name=value\", over those of the configuration")),
  };

  static void probe(const ProbeRequest& request) { probe_image(request); }
  static void list_exports(Layer& layer, const ExportsSink& sink) {
    const auto names = layer.requests().call([settings = layer.settings()] { return Cluster(settings).images(); });
    list_names(layer.settings().image, names, sink);
  }

  Rbd(Layer& layer, const Open& open)
      : layer_(layer),
        writable_(!layer.settings().read_only && !open.read_only),
        use_(layer, writable_, layer.settings().lock == Lock::require && open.purpose == Purpose::client) {}

  Geometry describe() override {
    return {.size = use_.size(),
            .flags = Flag::nowait | Flag::fua | Flag::may_trim | Flag::fast | Flag::req_one,
            .read_only = !writable_,
            .multi_conn = true,
            .parks = true,
            .depth = 128};
  }

  Status read(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    if (const Status s = may_ask(io); s.failed()) return s;
    const auto answer = layer_.requests().ask(use_.image().get(), io.length(), [&](void* request, std::byte* memory) {
      return start(request, [&](rbd_completion_t c) {
        return rbd_aio_read(handle(), io.offset(), io.length(), reinterpret_cast<char*>(memory), c);
      });
    });
    if (answer.result < 0) return failed(answer.result);
    if (const Status s = confirm(); s.failed()) return s;
    // What librbd does not read are zeroes behind the end of what there is.
    const auto got = static_cast<std::size_t>(std::min<std::uint64_t>(answer.result, io.length()));
    std::memcpy(io.buffer().data(), answer.data(), got);
    std::memset(io.buffer().data() + got, 0, io.length() - got);
    return {};
  }

  Status write(Io& io) noexcept override {
    return change(io, [&](rbd_completion_t c) {
      return rbd_aio_write(handle(), io.offset(), io.length(), reinterpret_cast<const char*>(io.payload().data()), c);
    });
  }

  // librbd leaves out what is less than its rbd_discard_granularity_bytes.
  Status trim(Io& io) noexcept override {
    return change(io, [&](rbd_completion_t c) { return rbd_aio_discard(handle(), io.offset(), io.length(), c); });
  }

  // Fast in each way: where zeroes have to be written, so that the range is provisioned, each OSD makes them itself.
  Status zero(Io& io) noexcept override {
    const int how = io.has(Flag::may_trim) ? 0 : RBD_WRITE_ZEROES_FLAG_THICK_PROVISION;
    return change(
        io, [&](rbd_completion_t c) { return rbd_aio_write_zeroes(handle(), io.offset(), io.length(), c, how, 0); });
  }

  Status flush(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    return flush_all();
  }

  Status extents(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    if (const Status s = may_ask(io); s.failed()) return s;
    try {
      const auto list = layer_.requests().call(
          [image = use_.image(), offset = io.offset(), length = io.length()] { return image->list(offset, length); });
      if (const Status s = confirm(); s.failed()) return s;
      tell(io, list.get());
      return {};
    } catch (const std::system_error& e) {
      return failed(-static_cast<std::int64_t>(e.code().value()));
    } catch (const std::exception&) {
      return Status{ENOMEM};
    }
  }

 private:
  rbd_image_t handle() const { return use_.image()->handle(); }
  Status failed(std::int64_t result) const noexcept { return Status{use_.image()->failed(result)}; }

  // librbd would leave out what lies behind the end of an image that has been made smaller, without a word.
  Status may_ask(const Io& io) const noexcept {
    if (use_.image()->is_lost() || use_.image()->is_removed()) return Status::io_error();
    if (io.end() > use_.image()->size()) return io.op() == Op::write ? Status::no_space() : Status::io_error();
    return {};
  }

  // Whether what has just been read of a snapshot is the snapshot's: whether that is still there.
  Status confirm() const noexcept {
    Snapshot* const snapshot = use_.image()->snapshot();
    if (snapshot == nullptr) return {};
    const auto ask = [&](void* request, std::byte*) { return snapshot->ask(request); };
    const std::int64_t result = layer_.requests().ask(use_.image().get(), 0, ask).result;
    return result < 0 ? failed(result) : Status::success();
  }

  // Has `call`, a callable int(rbd_completion_t), ask librbd on behalf of `request`.
  template <class Call>
  static int start(void* request, Call call) noexcept {
    rbd_completion_t completion = nullptr;
    const auto ended = [](rbd_completion_t of, void* given) {
      const auto result = rbd_aio_get_return_value(of);
      rbd_aio_release(of);
      Requests::completed(given, result);
    };
    if (const int r = rbd_aio_create_completion(request, ended, &completion); r < 0) return r;
    const int r = call(completion);
    if (r < 0) rbd_aio_release(completion);
    return r;
  }

  // While another keeps the lock, librbd is asked again. What the image is like is looked at each time: the other may
  // have made it smaller meanwhile, or taken it.
  template <class Call>
  Status change(const Io& io, Call call) noexcept {
    if (io.has(Flag::nowait)) return Status::would_block();
    const Requests::Clock::time_point since = Requests::Clock::now();
    for (bool is_first = true;; is_first = false) {
      if (const Status s = may_ask(io); s.failed()) return s;
      const std::int64_t result = ask(call);
      if (result == -EROFS && layer_.settings().lock != Lock::require && use_.image()->may_wait(is_first)) {
        if (const int r = layer_.requests().sleep_before_asking_again(since); r < 0) return failed(r);
        continue;
      }
      // What is refused the lock is not done; but of a zero its edges may be, which librbd writes by themselves.
      if (result != -EROFS || io.op() == Op::zero) use_.image()->was_changed();
      if (result < 0) return failed(result);
      use_.image()->is_let_in();
      return io.has(Flag::fua) ? flush_all() : Status::success();
    }
  }

  // librbd takes the lock for a flush, too: who has written nothing leaves it where it is. It hands the lock over only
  // when all that was written is flushed: who is refused it has nothing left to flush. With `require`
  // it hands over nothing.
  Status flush_all() noexcept {
    if (use_.image()->is_lost()) return Status::io_error();
    if (!use_.image()->is_written_to()) return {};
    const std::int64_t result = ask([&](rbd_completion_t c) { return rbd_aio_flush(handle(), c); });
    const bool was_handed_over = result == -EROFS && layer_.settings().lock != Lock::require;
    return result < 0 && !was_handed_over ? failed(result) : Status::success();
  }

  // What librbd answers to `call`, which is as that of start().
  template <class Call>
  std::int64_t ask(Call call) noexcept {
    const auto begin = [&](void* request, std::byte*) { return start(request, call); };
    return layer_.requests().ask(use_.image().get(), 0, begin).result;
  }

  static void tell(Io& io, const ObjectList* list) {
    if (list == nullptr) {
      io.add_extent(io.length(), Extent::allocated);
      return;
    }
    for (std::uint64_t at = io.offset(); at < io.end();) {
      const std::uint64_t length = std::min(list->same_from(at), io.end() - at);
      if (!io.add_extent(length, list->has(at) ? Extent::allocated : Extent::sparse) || io.has(Flag::req_one)) return;
      at += length;
    }
  }

  Layer& layer_;
  const bool writable_;
  const Layer::Use use_;
};

ASHLAR_MODULE(Rbd, .name = "rbd", .version = "1.0", .summary = "an image of a Ceph cluster (RBD)",
              .threads = Threads::parallel)
