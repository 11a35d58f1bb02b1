// ram: a disk in memory. Example 1: a plugin is a class with describe() and the ops it has.
#include <ashlar/plugin.hpp>
#include <cstring>
#include <vector>

using namespace ashlar;

class Ram final : public Plugin {
 public:
  // One layer per export in the config, shared by the export's connections: here live the bytes.
  struct Layer {
    explicit Layer(const Create& create) : bytes(create.params.size("size")) {}
    std::vector<std::byte> bytes;
  };
  static constexpr Param params[] = {Param::size("size", "size of the disk in bytes").range(0, 1 << 30).or_else("64M")};

  // One device per connection.
  Ram(Layer& layer, const Open&) : bytes_(layer.bytes) {}

  Geometry describe() override { return {.size = bytes_.size(), .multi_conn = true}; }

  // The host has checked that the range lies within the size.
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

// Without a word on threads a module is serial: one call at a time, so it needs no locks.
ASHLAR_MODULE(Ram, .name = "ram", .version = "1.0", .summary = "a disk in memory")
