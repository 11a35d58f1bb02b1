// plugin_cxx: plugin_c in C++: a serial one, which never blocks its thread but by waiting as the host waits.
#include "layer_cxx.hpp"

#include <ashlar/plugin.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

using namespace ashlar;

namespace {
constexpr std::uint64_t block = 4096;
constexpr int most_extents = 16;
}  // namespace

class PluginCxx final : public Plugin, private CommonDevice {
 public:
  struct Layer : CommonLayer {
    explicit Layer(const Create& create)
        : CommonLayer(create, create.params.size("size")),
          bytes(create.params.size("size")),
          written(bytes / block + 1),
          fd(::memfd_create("plugin_cxx", MFD_CLOEXEC)) {
      if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0)
        throw std::system_error(errno, std::generic_category(), "a file in memory");
      verbs.offer("written", "how many blocks were written to", [this](VerbCall& call) {
        if (call.arguments().size() > 1)
          throw std::system_error(E2BIG, std::generic_category(), std::string(call.arguments()[1]));
        const auto blocks = std::count(written.begin(), written.end(), true);
        call.answer(std::string(call.arguments().empty() ? "blocks" : call.arguments()[0]) + " " +
                    std::to_string(blocks));
      });
    }
    ~Layer() { ::close(fd); }
    void begin_serving() const { host.log(ashlar::Level::info, "begins to serve"); }

    const std::uint64_t bytes;
    std::vector<bool> written;  // one per block
    const int fd;
  };
  static constexpr Param params[] = {Param::size("size", "bytes of the disk").or_else("1M").range(4096, 1 << 30),
                                     COMMON_PARAMS};

  static constexpr bool connects = true;
  static constexpr const char* group = "old disks";

  static void probe(const ProbeRequest& request) {
    if (request.path[0] != '/') throw std::invalid_argument(std::string(request.path) + " is not absolute");
    if (!request.report.kind("a place") || !request.report.row("reads", Supported::yes, request.path)) return;
    request.report.row("flies", Supported::no, "it has no wings");
    request.report.row("writes", request.only_ask ? Supported::unknown : Supported::yes, "");
  }
  static void list_exports(Layer&, const ExportsSink& sink) {
    if (sink.add("one", "the first")) sink.add("two");
  }

  PluginCxx(Layer& layer, const Open& open) : CommonDevice(layer, open), disk_(layer), read_only_(open.read_only) {}

  Geometry describe() override {
    Geometry g;
    g.size = disk_.bytes;
    g.flags = Flag::promises | Flag::shortcuts;
    if (read_only_) g.ops = g.ops.without(Ops::writing());
    g.maximum = 8 << 20;
    g.read_only = read_only_;
    g.rotational = disk_.rotational;
    g.multi_conn = true;
    g.parks = true;
    g.depth = disk_.depth;
    return g;
  }

  Status read(Io& io) noexcept override {
    count(io);
    if (disk_.is_bad(io)) return fail_bad();
    if (io.has(Flag::may_hole) && is_unwritten(io)) {
      io.add_extent(io.length(), Extent::sparse);
      return Status::success();
    }
    if (io.has(Flag::may_lend)) {
      if (io.has(Flag::may_lend_cold) && io.offset() / block % 2 == 1) io.lend_cold(disk_.fd, io.offset());
      else io.lend(disk_.fd, io.offset());
      return Status::success();
    }
    const auto n = ::pread(disk_.fd, io.buffer().data(), io.length(), static_cast<off_t>(io.offset()));
    return n == static_cast<ssize_t>(io.length()) ? Status::success() : Status::io_error();
  }
  Status write(Io& io) noexcept override {
    count(io);
    return write_bytes(io.payload(), io.offset());
  }
  Status flush(Io& io) noexcept override {
    count(io);
    return io.has(Flag::nowait) ? Status::success() : disk_.thread.wait(disk_.wait);
  }
  Status trim(Io& io) noexcept override {
    count(io);
    return punch(io.offset(), io.end());
  }
  Status zero(Io& io) noexcept override {
    count(io);
    if (io.has(Flag::may_trim)) return punch(io.offset(), io.end());
    if (io.has(Flag::fast)) return Status::not_supported();
    static constexpr std::byte zeroes[65536]{};
    for (std::uint64_t at = io.offset(); at < io.end(); at += sizeof zeroes)
      if (const Status s = write_bytes(std::span(zeroes).first(std::min(sizeof zeroes, io.end() - at)), at); s.failed())
        return s;
    return Status::success();
  }
  Status cache(Io& io) noexcept override {
    count(io);
    return io.has(Flag::nowait) ? Status::success() : disk_.sleep_a_little();
  }
  Status extents(Io& io) noexcept override {
    count(io);
    std::uint64_t at = io.offset();
    for (int told = 0; at < io.end() && told < most_extents; ++told) {
      const bool written = disk_.written[at / block];
      std::uint64_t end = at;
      while (end < disk_.bytes && disk_.written[end / block] == written)
        end = std::min((end / block + 1) * block, disk_.bytes);
      if (!io.add_extent(end - at, written ? Extent::allocated : Extent::sparse) || io.has(Flag::req_one)) break;
      at = end;
    }
    return Status::success();
  }
  const void* extension(const char* id) noexcept override { return replied_extension(id); }

 private:
  bool is_unwritten(const Io& io) const {
    const auto first = disk_.written.begin() + static_cast<std::ptrdiff_t>(io.offset() / block);
    const auto last = disk_.written.begin() + static_cast<std::ptrdiff_t>((io.end() - 1) / block);
    return std::find(first, last + 1, true) == last + 1;
  }
  Status write_bytes(std::span<const std::byte> bytes, std::uint64_t at) {
    for (std::uint64_t b = at / block; b * block < at + bytes.size(); ++b) disk_.written[b] = true;
    const auto n = ::pwrite(disk_.fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    return n == static_cast<ssize_t>(bytes.size()) ? Status::success() : Status::no_space();
  }
  // Blocks that lie in the range as a whole are unwritten afterwards.
  Status punch(std::uint64_t begin, std::uint64_t end) {
    if (::fallocate(disk_.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                    static_cast<off_t>(end - begin)) != 0)
      return Status{errno};
    for (std::uint64_t b = (begin + block - 1) / block; b * block < end; ++b)
      if (std::min((b + 1) * block, disk_.bytes) <= end) disk_.written[b] = false;
    return Status::success();
  }

  Layer& disk_;
  const bool read_only_;
};

ASHLAR_MODULE(PluginCxx, .name = "plugin_cxx", .version = "1.0", .summary = "a disk in memory, of ABI 1.0",
              .threads = Threads::serial)
