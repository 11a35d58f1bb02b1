// A filter that keeps metrics and offers verbs.
#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/metrics.hpp>

namespace {

class Weir final : public ashlar::Filter {
 public:
  struct Layer {
    explicit Layer(const ashlar::Create& create) : verbs(create) {
      const ashlar::Metrics metrics(create.host);
      metrics.gauge("level_meters", "of the water");
      metrics.counter("boats", "that went by");
      metrics.histogram("wait_seconds", "of boats", std::array{1.0, 10.0});
      verbs.offer("open", "let water through", [](ashlar::VerbCall&) {});
      verbs.offer("look", "what is below", ashlar::Below::read, [](ashlar::VerbCall&) {});
      verbs.offer("drain", "take\nall of it", ashlar::Below::write, [](ashlar::VerbCall&) {});
    }
    ashlar::Verbs verbs;
  };
  Weir(Layer&, const ashlar::Open& open) : Filter(open) {}
};

}  // namespace

ASHLAR_MODULE(Weir, .name = "weir", .version = "1.2", .summary = "holds back")
