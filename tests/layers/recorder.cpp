// recorder: a filter that writes a line for each call it gets, and one when a request returns.
#include <ashlar/filter.hpp>

#include <string>

using namespace ashlar;

class Recorder final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create)
        : host(create.host),
          label(create.params.text("label")),
          level(create.params.boolean("warns") ? Level::warn : Level::info) {
      say("create");
    }
    ~Layer() { say("destroy"); }
    void say(const char* what) const { host.log(level, "call %s %s", what, label.c_str()); }
    Host host;
    std::string label;
    Level level;
  };
  static constexpr Param params[] = {Param::string("label", "what its lines are marked with").needed(),
                                     Param::boolean("warns", "its lines are warnings").or_else("false")};

  Recorder(Layer& layer, const Open& open) : Filter(open), layer_(layer) { layer_.say("open"); }
  ~Recorder() override { layer_.say("close"); }
  Geometry describe() override {
    layer_.say("describe");
    return offer();
  }
  Status process(Io& io) noexcept override {
    const std::string op = name(io.op());
    layer_.say(("enter " + op).c_str());
    const Status s = next(io);
    layer_.say(("leave " + op).c_str());
    return s;
  }

 private:
  Layer& layer_;
};

ASHLAR_MODULE(Recorder, .name = "recorder", .version = "1.0", .summary = "writes a line for each call",
              .threads = Threads::parallel)
