// hanger: a layer that does not return from one kind of call as long as a file, its gate, exists. It makes GATE.inside
// when it has begun to wait. Built as a plugin and as a filter.
#include <ashlar/filter.hpp>
#include <ashlar/plugin.hpp>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

using namespace ashlar;

#ifdef HANGER_IS_FILTER
using Base = Filter;
#else
// A disk of zeroes that forgets what is written.
class Base : public Plugin {
 public:
  explicit Base(const Open&) {}
  Geometry describe() override { return {.size = 1 << 20, .flags = Flag::promises}; }
  Status read(Io& io) noexcept override { return std::memset(io.data, 0, io.length()), Status::success(); }
  Status write(Io&) noexcept override { return Status::success(); }
  Status flush(Io&) noexcept override { return Status::success(); }
  Status trim(Io&) noexcept override { return Status::success(); }
  Status zero(Io&) noexcept override { return Status::success(); }
};
#endif

namespace {

void wait_for(const std::string& gate) {
  if (!std::filesystem::exists(gate)) return;
  std::ofstream(gate + ".inside").put('\n');
  while (std::filesystem::exists(gate)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

// Waits when the module is unloaded.
struct AtUnload {
  ~AtUnload() { wait_for(gate); }
  std::string gate;
} at_unload;

}  // namespace

class Hanger final : public Base {
 public:
  struct Layer {
    explicit Layer(const Create& create)
        : in(create.params.text("in")), gate(create.params.path("gate")), nowait(create.params.boolean("nowait")) {
      if (in == "unload") at_unload.gate = gate;
      pass("create");
    }
    ~Layer() { pass("destroy"); }
    void pass(std::string_view call) const {
      if (call == in) wait_for(gate);
    }
    std::string in, gate;
    bool nowait;
  };
  static constexpr Param params[] = {
      Param::string("in", "the call that does not return: an op, create, open, describe, close, destroy, unload")
          .needed(),
      Param::path("gate", "the file").needed(),
      Param::boolean("nowait", "say that no request blocks").or_else("false"),
  };

  Hanger(Layer& layer, const Open& open) : Base(open), layer_(layer) { layer_.pass("open"); }
  ~Hanger() override { layer_.pass("close"); }
  Geometry describe() override {
    layer_.pass("describe");
    Geometry geometry = Base::describe();
    if (layer_.nowait) geometry.flags |= Flag::nowait;
    return geometry;
  }
  Status process(Io& io) noexcept override {
    layer_.pass(name(io.op()));
    return Base::process(io);
  }

 private:
  Layer& layer_;
};

ASHLAR_MODULE(Hanger, .name = "hanger", .version = "1.0", .summary = "does not return from one kind of call",
              .threads = Threads::parallel)
