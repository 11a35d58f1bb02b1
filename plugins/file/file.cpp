// The file plugin: a regular file or a block device as a disk.
#include "fileops/device.hpp"
#include "fileops/image_format.hpp"
#include "fileops/probe.hpp"
#include "fileops/shared.hpp"
#include "list_files.hpp"

namespace {

using ashlar::Create;
using ashlar::Open;
using ashlar::Param;

constexpr const char* zeroing_choices[] = {"auto", "manual", nullptr};

class File final : public ashlar::fileops::BackendDevice {
 public:
  static constexpr Param params[] = {
      Param::path("path", "the file or block device to serve").needed(),
      Param::boolean("read_only", "open it for reading alone").or_else("false"),
      Param::boolean("direct", "bypass the page cache (O_DIRECT)").or_else("false"),
      Param::choice("zeroing", zeroing_choices,
                    "auto: zero and trim as the file system can; manual: leave zeroes to be written")
          .or_else("auto"),
  };

  struct Layer {
    explicit Layer(const Create& create)
        : shared({.path = std::string(create.params.path("path")),
                  .read_only = create.params.boolean("read_only"),
                  .direct = create.params.boolean("direct"),
                  .manual_zeroing = create.params.choice("zeroing") == "manual"},
                 create.host),
          path(create.params.path("path")),
          hint(std::string(create.params.path("path")), create.host) {}
    ashlar::fileops::SharedBackend shared;
    const std::string path;
    ashlar::fileops::FormatHint hint;
  };

  static void probe(const ashlar::ProbeRequest& request) { ashlar::fileops::probe(request, false); }

  static void list_exports(Layer& layer, const ashlar::ExportsSink& sink) {
    ashlar::file::list_files(layer.path, sink);
  }

  File(Layer& layer, const Open& open) : File(std::make_unique<Use>(layer.shared, open.read_only)) {
    layer.hint.give_once();
  }

 private:
  using Use = ashlar::fileops::SharedBackend::Use;
  explicit File(std::unique_ptr<Use> use) : BackendDevice(**use), use_(std::move(use)) {}

  const std::unique_ptr<Use> use_;
};

}  // namespace

ASHLAR_MODULE(File, .name = "file", .version = "1.0", .summary = "a regular file or a block device",
              .threads = ashlar::Threads::parallel)
