// A filter that changes nothing.
#include <ashlar/filter.hpp>

namespace {

class Reed final : public ashlar::Filter {
 public:
  static constexpr const char* group = "music";
  static constexpr bool connects = true;
  static constexpr ashlar::Param params[] = {ashlar::Param::string("tune", "what it sings").or_else("c")};
  using ashlar::Filter::Filter;
};

}  // namespace

ASHLAR_MODULE(Reed, .name = "reed", .version = "0.3", .summary = "bends")
