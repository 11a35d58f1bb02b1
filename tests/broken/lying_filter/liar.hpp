// A filter that hands everything on, and lies in one thing. Each kind of lie has a file of its own.
#pragma once
#include <threads.h>

#include <ashlar/connection.hpp>
#include <ashlar/control.hpp>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>
#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lying.hpp"

namespace lying {

using namespace ashlar;

class Liar;
struct Layer;

struct Lie {
  const char* name;
  // Told in requests; nullptr: these are handed on.
  Status (*process)(Liar&, Io&) noexcept = nullptr;
  // Changes what the filter says of itself; nullptr: that is what the layer below says.
  void (*describe)(Liar&, Geometry&) = nullptr;
  // Offers the verb in which it is told; nullptr: the filter has none.
  void (*offer)(Layer&) = nullptr;
};

std::span<const Lie> data_lies();
std::span<const Lie> error_lies();
std::span<const Lie> promise_lies();
std::span<const Lie> request_lies();
std::span<const Lie> extent_lies();
std::span<const Lie> shortcut_lies();
std::span<const Lie> thread_lies();
std::span<const Lie> life_lies();
std::span<const Lie> verb_lies();

#define LIE(name) \
  { #name, &name }

struct Layer {
  explicit Layer(const Create& create);
  ~Layer() { ::mtx_destroy(&of_c); }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  bool is(std::string_view what) const { return lie->name == what; }
  const Lie* const lie;
  const std::int64_t op;
  const Host host;
  const Wait wait;
  std::mutex mutex;
  std::recursive_mutex recursive;
  std::timed_mutex timed;
  mtx_t of_c;
  std::atomic<bool> taken{false};
  const ashlar_device* first_next = nullptr;
  const ashlar_device* last_next = nullptr;
  std::uint64_t opened = 0;
  std::atomic<std::uint64_t> requests{0};
  Verbs verbs;
};

class Liar final : public Filter {
 public:
  using Layer = lying::Layer;
  static constexpr Param params[] = {Param::string("lie", "what is not true").needed(),
                                     Param::choice("op", ops, "in which requests").or_else("any")};

  Liar(Layer& layer, const Open& open);
  ~Liar() override;

  Geometry describe() override;
  Status process(Io& io) noexcept override {
    if (layer.op != 0 && static_cast<std::int64_t>(io.op()) + 1 != layer.op) return hand_on(io);
    return layer.lie->process != nullptr ? layer.lie->process(*this, io) : hand_on(io);
  }

  using Filter::below;
  using Filter::hand_on;
  using Filter::next;
  using Filter::offer;

  // Hands the request on with another range, and gives it its own back.
  Status moved(Io& io, std::uint64_t offset, std::uint64_t length) noexcept;
  // Hands it on without `flags`, likewise.
  Status without(Io& io, Flags flags) noexcept;
  template <class Then>
  Status after(Io& io, Then then) noexcept {
    const Status s = next(io);
    then();
    return s;
  }
  // A size that is less than that of the layer below.
  std::uint64_t smaller() const { return (below().size / later - 1) * later; }
  void read_something() noexcept;

  Layer& layer;
  const ashlar_device& raw_next;
  std::mutex mutex;
  std::uint64_t kept_at = 0;
  std::vector<std::byte> kept;
  char* kept_per_open = nullptr;
  int fd = -1;
  bool forked = false;
  std::atomic<bool> dirty{false};
  std::optional<Reopen> reopen;
};

}  // namespace lying
