// new-module: a disk in memory, gone with the server. Put your own storage in its place.
#include <ashlar/plugin.hpp>
#include <cstring>
#include <vector>

using namespace ashlar;

class Disk final : public Plugin {
 public:
  // One for each export in the config, shared by the export's connections.
  struct Layer {
    explicit Layer(const Create& create) : bytes(create.params.size("size")) {}
    std::vector<std::byte> bytes;
  };
  static constexpr Param params[] = {Param::size("size", "size of the disk in bytes").range(0, 1 << 30).or_else("64M")};

  // One for each connection.
  Disk(Layer& layer, const Open&) : bytes_(layer.bytes) {}

  // The ops that are overridden are offered; the flags are named here.
  Geometry describe() override { return {.size = bytes_.size(), .multi_conn = true}; }

  // The host has seen to it that the range lies within the size.
  Status read(Io& io) noexcept override {
    std::memcpy(io.buffer().data(), bytes_.data() + io.offset(), io.length());
    return Status::success();
  }
  Status write(Io& io) noexcept override {
    std::memcpy(bytes_.data() + io.offset(), io.payload().data(), io.length());
    return Status::success();
  }
  Status flush(Io&) noexcept override { return Status::success(); }

 private:
  std::vector<std::byte>& bytes_;
};

// Serial, as nothing else is said: a layer gets one call at a time. Threads::parallel lets calls come at once.
ASHLAR_MODULE(Disk, .name = "new-module", .version = "0.1", .summary = "a disk in memory")
