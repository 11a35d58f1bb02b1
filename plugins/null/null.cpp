// The null plugin: a disk that reads as zeroes and forgets what is written, to measure what is above it.
#include <ashlar/plugin.hpp>
#include <cstring>

namespace {

namespace Extent = ashlar::Extent;
namespace Flag = ashlar::Flag;
using ashlar::Geometry;
using ashlar::Io;
using ashlar::Open;
using ashlar::Param;
using ashlar::Status;

class Null final : public ashlar::Plugin {
 public:
  static constexpr const char* group = "trying and testing";
  static constexpr Param params[] = {Param::size("size", "of the disk, in bytes").needed()};

  struct Layer {
    explicit Layer(const ashlar::Create& create) : size(create.params.size("size")) {}
    std::uint64_t size;
  };

  Null(Layer& layer, const Open&) : size_(layer.size) {}

  Geometry describe() override {
    Geometry g;
    g.size = size_;
    g.flags = Flag::promises | Flag::nowait | Flag::may_hole | Flag::may_lend | Flag::lend_only;
    g.multi_conn = true;
    g.parks = true;
    return g;
  }

  Status read(Io& io) noexcept override {
    if (io.has(Flag::may_hole)) io.add_extent(io.length(), Extent::sparse);
    else if (io.has(Flag::lend_only)) return Status::would_block();  // there is nothing to lend
    else std::memset(io.buffer().data(), 0, io.length());
    return Status::success();
  }
  Status write(Io&) noexcept override { return Status::success(); }
  Status flush(Io&) noexcept override { return Status::success(); }
  Status trim(Io&) noexcept override { return Status::success(); }
  Status zero(Io&) noexcept override { return Status::success(); }
  Status cache(Io&) noexcept override { return Status::success(); }
  Status extents(Io& io) noexcept override {
    io.add_extent(io.length(), Extent::sparse);
    return Status::success();
  }

 private:
  const std::uint64_t size_;
};

}  // namespace

ASHLAR_MODULE(Null, .name = "null", .version = "1.0", .summary = "reads zeroes, forgets writes",
              .threads = ashlar::Threads::parallel)
