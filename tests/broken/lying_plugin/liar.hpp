// A disk in memory that lies in one thing. Each kind of lie has a file of its own.
#pragma once
#include <ashlar/plugin.hpp>
#include <ashlar/wait.hpp>
#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "lying.hpp"

namespace lying {

using namespace ashlar;

class Liar;
struct Layer;

struct Lie {
  const char* name;
  // Told in requests; nullptr: these are answered as they should be.
  Status (*process)(Liar&, Io&) noexcept = nullptr;
  // Changes what the plugin says of itself.
  void (*describe)(Layer&, Geometry&) = nullptr;
};

std::span<const Lie> data_lies();
std::span<const Lie> answer_lies();
std::span<const Lie> request_lies();
std::span<const Lie> shortcut_lies();
std::span<const Lie> thread_lies();
std::span<const Lie> life_lies();
std::span<const Lie> view_lies();
std::span<const Lie> kept_lies();
std::span<const Lie> process_lies();

#define LIE(name) \
  { #name, &name }

// Sparse, in memory; all zeroes at first.
class File {
 public:
  // Throws std::system_error.
  explicit File(std::uint64_t size);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

struct Layer {
  explicit Layer(const Create& create);
  bool is(std::string_view what) const { return lie->name == what; }
  const Lie* const lie;
  const std::int64_t op;
  const std::uint64_t size;
  File file;
  const Wait wait;
  std::mutex mutex;
  std::atomic<std::uint64_t> opened{0};
  std::atomic<bool> one_was_closed{false}, changed{false};
};

class Liar final : public Plugin {
 public:
  using Layer = lying::Layer;
  static constexpr Param params[] = {
      Param::string("lie", "what is not true").needed(), Param::choice("op", ops, "in which requests").or_else("any"),
      Param::size("size", "of the disk").or_else("4M"), Param::secret("secret", "is told, and refused")};

  Liar(Layer& layer, const Open& open);
  ~Liar() override;

  Geometry describe() override;
  Status process(Io& io) noexcept override {
    if (layer.op != 0 && static_cast<std::int64_t>(io.op()) + 1 != layer.op) return honest(io);
    return layer.lie->process != nullptr ? layer.lie->process(*this, io) : honest(io);
  }
  // Overridden, so that they are offered.
  Status read(Io& io) noexcept override { return honest(io); }
  Status write(Io& io) noexcept override { return honest(io); }
  Status flush(Io& io) noexcept override { return honest(io); }
  Status trim(Io& io) noexcept override { return honest(io); }
  Status zero(Io& io) noexcept override { return honest(io); }
  Status cache(Io& io) noexcept override { return honest(io); }
  Status extents(Io& io) noexcept override { return honest(io); }

  // Does what was asked for.
  Status honest(Io& io) noexcept;
  Status read_it(Io& io) noexcept;
  Status put(std::uint64_t at, const std::byte* from, std::size_t n) noexcept;
  Status clear(std::uint64_t at, std::uint64_t n) noexcept;
  // The same with another range; the request gets its own back.
  Status moved(Io& io, std::uint64_t offset, std::uint64_t length) noexcept;
  template <class Then>
  Status after(Io& io, Then then) noexcept {
    const Status s = honest(io);
    then();
    return s;
  }
  // Whether a read has its bytes in `data`.
  static bool filled(const Io& io) { return !io.lent() && io.data != nullptr && !io.has(Flag::may_hole); }
  // Waits for a write that is late.
  void finish() {
    if (late.joinable()) late.join();
  }

  Layer& layer;
  const File own;
  int fd;
  std::mutex mutex;
  std::uint64_t kept_at = 0;
  std::vector<std::byte> kept;  // is read instead of what is in the file
  std::byte shared[4096], large[64 << 10];
  std::thread late;
  char* kept_per_open = nullptr;
  // Of the last request.
  std::byte* last_data = nullptr;
  const std::uint64_t* last_length = nullptr;
  const ashlar_extent_sink* last_sink = nullptr;
  std::uint64_t last_id = 0, times = 0;
  const bool read_only;

 private:
  Status tell(Io& io) noexcept;
};

}  // namespace lying
