// A filter with parameters that are lists and secrets. It tells what it was given, of secrets only their lengths, and
// refuses the key "rusty", naming the parameter at fault.
#include <ashlar/filter.hpp>
#include <string>

namespace {

class Lock final : public ashlar::Filter {
 public:
  static constexpr const char* sides[] = {"left", "right", nullptr};
  static constexpr ashlar::Param params[] = {
      ashlar::Param::secret("key", "opens it"),
      ashlar::Param::secret("spare", "opens it, too"),
      ashlar::Param::list(ashlar::Param::choice("sides", sides, "where it is")),
      ashlar::Param::list(ashlar::Param::path("doors", "what it is on")),
      ashlar::Param::list(ashlar::Param::size("weights", "bytes").range(1, 4096)),
      ashlar::Param::list(ashlar::Param::secret("copies", "of the key")),
  };
  struct Layer {
    explicit Layer(const ashlar::Create& create) {
      const ashlar::Params& params = create.params;
      if (params.secret("key") == "rusty") throw ashlar::BadParameter("key", "the key does not turn");
      if (params.secret("key") == "brittle") throw ashlar::BadParameter("key", "the key brittle breaks");
      std::string told;
      for (const ashlar_value* side : params.list("sides")) told += " " + std::string(side->text);
      for (const ashlar_value* door : params.list("doors")) told += " " + std::string(door->text);
      for (const ashlar_value* weight : params.list("weights")) told += " " + std::to_string(weight->number);
      for (const ashlar_value* copy : params.list("copies"))
        told += " " + std::to_string(std::string(copy->text).size());
      create.host.log(ashlar::Level::warn, "key of %zu, spare of %zu:%s", params.secret("key").size(),
                      params.has("spare") ? params.secret("spare").size() : 0, told.c_str());
    }
  };
  Lock(Layer&, const ashlar::Open& open) : Filter(open) {}
};

}  // namespace

ASHLAR_MODULE(Lock, .name = "lock", .version = "1.1", .summary = "keeps shut")
