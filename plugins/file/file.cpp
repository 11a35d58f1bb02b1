// The file plugin: a regular file or a block device as a disk.
#include "fileops/path_device.hpp"
#include "fileops/probe/probe.hpp"
#include "list_files.hpp"

namespace {

namespace fileops = ashlar::fileops;

class File final : public fileops::PathDevice {
 public:
  static constexpr const char* group = "files and devices";
  static constexpr auto params = fileops::path_params("the file or block device to serve", "false");

  struct Layer : PathDevice::Layer {
    explicit Layer(const ashlar::Create& create) : PathDevice::Layer(create, false), path(create.params.path("path")) {}
    const std::string path;
  };

  static void probe(const ashlar::ProbeRequest& request) { fileops::probe(request, false); }
  static void list_exports(Layer& layer, const ashlar::ExportsSink& sink) {
    ashlar::file::list_files(layer.path, sink);
  }

  File(Layer& layer, const ashlar::Open& open) : PathDevice(layer, open) {}
};

}  // namespace

ASHLAR_MODULE(File, .name = "file", .version = "1.0", .summary = "a regular file or a block device",
              .threads = ashlar::Threads::parallel)
