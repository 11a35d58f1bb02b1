// vault: a filter that never writes below: what is written it takes, and forgets. It has a secret, which it tells to
// everybody.
#include <ashlar/filter.hpp>
#include <stdexcept>
#include <string>

using namespace ashlar;

class Vault final : public Filter {
 public:
  static constexpr bool never_writes_below = true;
  static constexpr Param params[] = {
      Param::secret("key", "opens it"),
      Param::boolean("refuses", "cannot be created").or_else("false"),
  };
  struct Layer {
    explicit Layer(const Create& create) : host(create.host), key(create.params.secret("key")) {
      host.log(Level::warn, "the key is %s, of %zu bytes", key.c_str(), key.size());
      if (create.params.boolean("refuses")) throw std::invalid_argument("the key " + key + " does not turn");
    }
    const Host host;
    const std::string key;
  };
  Vault(Layer&, const Open& open) : Filter(open) {}

  Geometry describe() override {
    Geometry g = offer();
    g.ops = Ops{Op::read} | Ops{Op::write} | Ops{Op::flush};
    g.read_only = false;
    return g;
  }
  Status write(Io&) noexcept override { return Status::success(); }
  Status flush(Io&) noexcept override { return Status::success(); }
};

ASHLAR_MODULE(Vault, .name = "vault", .version = "1.0", .summary = "takes writes and forgets them",
              .threads = Threads::parallel)
