// PathDevice: the device of the file and block plugins, which take the same parameters. A parameter's value goes into
// OpenOptions, and from there into Facts.
#pragma once
#include <array>
#include <memory>
#include <string>

#include "device.hpp"
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
        : shared_(options(create.params, block_only), create.host),
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

    SharedBackend shared_;
    FormatHint hint_;
  };

  // Throws BadParameter, std::system_error. [control]
  PathDevice(Layer& layer, const Open& open) : PathDevice(use(layer, open)) { layer.hint_.give_once(); }

 private:
  using Use = SharedBackend::Use;

  static std::unique_ptr<Use> use(Layer& layer, const Open& open) {
    try {
      return std::make_unique<Use>(layer.shared_, open.read_only);
    } catch (const OpenError& e) {
      throw BadParameter("path", e.what(), e.code().value());
    }
  }
  explicit PathDevice(std::unique_ptr<Use> use) : BackendDevice(**use), use_(std::move(use)) {}

  const std::unique_ptr<Use> use_;
};

}  // namespace ashlar::fileops
