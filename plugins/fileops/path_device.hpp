// PathDevice: the device of the file and block plugins, which take the same parameters. A parameter's value goes into
// OpenOptions, and from there into Facts.
//
// With direct I/O everything but a try blocks: what changes the disk or reads it is the host's to do then
// (HostSyscalls), whoever looks for holes does so on a thread of the host's, and the device parks. Without, little
// blocks, and workers are quicker at that.
#pragma once
#include <array>
#include <ashlar/blocking.hpp>
#include <memory>
#include <string>

#include "device.hpp"
#include "host_syscalls.hpp"
#include "image_format.hpp"
#include "shared.hpp"

namespace ashlar::fileops {

inline constexpr const char* zeroing_choices[] = {"auto", "manual", nullptr};

// `what`: what `path` leads to. `exclusive`: its default.
constexpr std::array<Param, 6> path_params(const char* what, const char* exclusive) {
  return {
      Param::path("path", what).needed(),
      Param::boolean("read_only", "open it for reading alone").or_else("false"),
      Param::boolean("exclusive",
                     "block device: refuse one that is mounted or in use, and keep others from using it (O_EXCL)")
          .or_else(exclusive),
      Param::boolean("direct", "bypass the page cache (O_DIRECT)").or_else("false"),
      Param::choice("zeroing", zeroing_choices,
                    "auto: zero and trim as the kernel can; manual: leave zeroes to be written")
          .or_else("auto"),
      Param::boolean("extents", "tell clients of holes; false: all is told and read as data").or_else("true"),
  };
}

class PathDevice : public BackendDevice {
 public:
  class Layer {
   public:
    // `block_only`: refuses everything but a block device.
    Layer(const Create& create, bool block_only)
        : blocking_(create.host),
          parks_(create.params.boolean("direct") && blocking_.offered()),
          shared_(options(create.params, block_only), create.host, syscalls()),
          hint_(std::string(create.params.path("path")), create.host) {}

   private:
    friend PathDevice;

    static OpenOptions options(const Params& given, bool block_only) {
      return {.path = std::string(given.path("path")),
              .read_only = given.boolean("read_only"),
              .direct = given.boolean("direct"),
              .exclusive = given.boolean("exclusive"),
              .block_only = block_only,
              .manual_zeroing = given.choice("zeroing") == "manual",
              .extents = given.boolean("extents")};
    }

    std::unique_ptr<Syscalls> syscalls() const {
      if (parks_) return std::make_unique<HostSyscalls>(blocking_);
      return std::make_unique<Syscalls>();
    }

    const Blocking blocking_;
    const bool parks_;
    SharedBackend shared_;
    FormatHint hint_;
  };

  // Throws BadParameter, std::system_error. [control]
  PathDevice(Layer& layer, const Open& open) : PathDevice(layer, use(layer, open)) { layer.hint_.give_once(); }

  Geometry describe() override {
    Geometry g = BackendDevice::describe();
    g.parks = layer_.parks_;
    return g;
  }
  // Where the holes are may have to be read from the disk.
  Status read(Io& io) noexcept override {
    return elsewhere(io, io.has(Flag::may_hole), [&] { return BackendDevice::read(io); });
  }
  Status trim(Io& io) noexcept override {
    return may_not_be_tried(io) ? Status::would_block() : BackendDevice::trim(io);
  }
  Status zero(Io& io) noexcept override {
    return may_not_be_tried(io) ? Status::would_block() : BackendDevice::zero(io);
  }
  Status extents(Io& io) noexcept override {
    return elsewhere(io, true, [&] { return BackendDevice::extents(io); });
  }

 private:
  using Use = SharedBackend::Use;

  static std::unique_ptr<Use> use(Layer& layer, const Open& open) {
    try {
      return std::make_unique<Use>(layer.shared_, open.read_only);
    } catch (const OpenError& e) {
      throw BadParameter("path", e.what(), e.code().value());
    }
  }
  PathDevice(Layer& layer, std::unique_ptr<Use> use) : BackendDevice(**use), layer_(layer), use_(std::move(use)) {}

  // Runs `op` where it may block, if it `blocks` otherwise than in reading and writing.
  template <class Op>
  Status elsewhere(const Io& io, bool blocks, Op op) const noexcept {
    if (!layer_.parks_ || !blocks || io.has(Flag::nowait)) return op();
    Status status;
    layer_.blocking_.run([&] { status = op(); });
    return status;
  }

  // Punching holes waits for all direct I/O of the file that is under way: so it is not tried, as long as there is
  // anything to do.
  bool may_not_be_tried(const Io& io) const noexcept {
    const Facts& facts = (*use_)->facts();
    return layer_.parks_ && io.has(Flag::nowait) && !facts.manual_zeroing && !facts.read_only;
  }

  Layer& layer_;
  const std::unique_ptr<Use> use_;
};

}  // namespace ashlar::fileops
