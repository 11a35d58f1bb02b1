// A module whose author throws, with a text of two lines, where the host expects a status.
#include <ashlar/plugin.hpp>

#include <stdexcept>

using namespace ashlar;

class CreateThrows final : public Plugin {
 public:
  struct Layer {
    explicit Layer(const Create&) { throw std::runtime_error("no luck\ntoday"); }
  };
  Geometry describe() override { return {}; }
  Status read(Io&) noexcept override { return Status::success(); }
};

ASHLAR_MODULE(CreateThrows, .name = "create_throws", .version = "1.0", .summary = "throws")
