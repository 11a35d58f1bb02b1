// The block plugin: a block device as a disk, and nothing else.
#include "fileops/device.hpp"
#include "fileops/image_format.hpp"
#include "fileops/probe.hpp"
#include "fileops/shared.hpp"

namespace {

using ashlar::Create;
using ashlar::Open;
using ashlar::Param;

class Block final : public ashlar::fileops::BackendDevice {
 public:
  static constexpr Param params[] = {
      Param::path("path", "the block device to serve").needed(),
      Param::boolean("read_only", "open it for reading alone").or_else("false"),
      Param::boolean("exclusive", "refuse a device that is mounted or in use, and keep others from using it")
          .or_else("true"),
      Param::boolean("direct", "bypass the page cache (O_DIRECT)").or_else("false"),
  };

  struct Layer {
    explicit Layer(const Create& create)
        : shared({.path = std::string(create.params.path("path")),
                  .read_only = create.params.boolean("read_only"),
                  .direct = create.params.boolean("direct"),
                  .exclusive = create.params.boolean("exclusive"),
                  .block_only = true},
                 create.host),
          hint(std::string(create.params.path("path")), create.host) {}
    ashlar::fileops::SharedBackend shared;
    ashlar::fileops::FormatHint hint;
  };

  static void probe(const ashlar::ProbeRequest& request) { ashlar::fileops::probe(request, true); }

  Block(Layer& layer, const Open& open) : Block(std::make_unique<Use>(layer.shared, open.read_only)) {
    layer.hint.give_once();
  }

 private:
  using Use = ashlar::fileops::SharedBackend::Use;
  explicit Block(std::unique_ptr<Use> use) : BackendDevice(**use), use_(std::move(use)) {}

  const std::unique_ptr<Use> use_;
};

}  // namespace

ASHLAR_MODULE(Block, .name = "block", .version = "1.0", .summary = "a block device",
              .threads = ashlar::Threads::parallel)
