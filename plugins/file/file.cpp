// The file plugin: a regular file or a block device as a disk.
#include "fileops/path_device.hpp"
#include "fileops/probe/probe.hpp"

namespace {

namespace fileops = ashlar::fileops;

class File final : public fileops::PathDevice {
 public:
  static constexpr auto params = fileops::path_params("the file or block device to serve", "false");

  struct Layer : PathDevice::Layer {
    explicit Layer(const ashlar::Create& create) : PathDevice::Layer(create, false) {}
  };

  static void probe(const ashlar::ProbeRequest& request) { fileops::probe(request, false); }

  File(Layer& layer, const ashlar::Open& open) : PathDevice(layer, open) {}
};

}  // namespace

ASHLAR_MODULE(File, .name = "file", .version = "1.0", .summary = "a regular file or a block device",
              .threads = ashlar::Threads::parallel)
