// From a class to a module's table.
#include <ashlar/plugin.hpp>
#include <ashlar/testing/harness.hpp>
#include <cstring>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

// Whatever is thrown where the control path is entered.
enum class Where { nowhere, create, open, describe };

template <Where where, class Throw>
class Thrower final : public Plugin {
 public:
  struct Layer {
    explicit Layer(const Create&) { maybe(Where::create); }
  };
  Thrower(Layer&, const Open&) { maybe(Where::open); }
  Geometry describe() override {
    maybe(Where::describe);
    return {.size = 512};
  }
  Status read(Io&) noexcept override { return Status::success(); }

 private:
  static void maybe(Where here) {
    if (here == where) Throw()();
  }
};

struct SystemError {
  void operator()() { throw std::system_error(EACCES, std::generic_category(), "cannot open 'disk.img'"); }
};
struct Invalid {
  void operator()() { throw std::invalid_argument("no such thing"); }
};
struct Memory {
  void operator()() { throw std::bad_alloc(); }
};
struct Runtime {
  void operator()() { throw std::runtime_error(std::string(5000, 'x')); }
};
struct Odd {
  void operator()() { throw 7; }
};

struct Unlisted {
  void operator()() { throw BadParameter("lid", "is shut", EBUSY); }
};

// What the host gets to see: code and text.
template <Where where, class Throw>
Refused refusal() {
  static constexpr ashlar_module module = module_of<Thrower<where, Throw>>({.name = "thrower"});
  FakeHost host;
  try {
    const TestLayer layer(module, host);
    layer.open();
  } catch (const Refused& r) {
    return r;
  }
  return {0, ""};
}

class Two final : public Plugin {
 public:
  static constexpr Param params[] = {Param::size("size", "bytes").or_else("1K")};
  struct Layer {
    explicit Layer(const Create& create) : size(create.params.size("size")) {}
    std::uint64_t size;
  };
  Two(Layer& layer, const Open& open) : layer_(layer), read_only_(open.read_only) {}
  Geometry describe() override { return {.size = layer_.size, .read_only = read_only_}; }
  Status read(Io& io) noexcept override {
    std::memset(io.buffer().data(), 0x42, io.length());
    return Status::success();
  }
  Status flush(Io&) noexcept override { return Status{EIO}; }

 private:
  Layer& layer_;
  bool read_only_;
};
constexpr ashlar_module two = module_of<Two>({.name = "two", .threads = Threads::parallel});

}  // namespace

TEST_CASE("an exception on the control path becomes a status and a text") {
  const auto is = [](const Refused& r, int code, const std::string& text) {
    return r.code() == code && r.what() == text;
  };
  CHECK(is(refusal<Where::nowhere, Odd>(), 0, ""));
  CHECK(is(refusal<Where::create, SystemError>(), EACCES, "cannot open 'disk.img': Permission denied"));
  CHECK(is(refusal<Where::open, SystemError>(), EACCES, "cannot open 'disk.img': Permission denied"));
  CHECK(is(refusal<Where::describe, SystemError>(), EACCES, "cannot open 'disk.img': Permission denied"));
  CHECK(is(refusal<Where::open, Invalid>(), EINVAL, "no such thing"));
  CHECK(is(refusal<Where::open, Unlisted>(), EBUSY, "lid: is shut"));
  CHECK(is(refusal<Where::open, Memory>(), ENOMEM, "out of memory"));
  CHECK(is(refusal<Where::open, Odd>(), EIO, "unknown exception"));
  CHECK(is(refusal<Where::open, Runtime>(), EIO, std::string(511, 'x')));  // as much as the caller has room for
}

TEST_CASE("a plugin offers the ops it overrides, and the others answer not supported") {
  FakeHost host;
  const TestLayer layer(two, host);
  const auto device = layer.open();
  CHECK(device->geometry().ops == (Op::read | Op::flush));
  std::vector<std::byte> bytes(16);
  CHECK(device->read(0, bytes).ok());
  CHECK(bytes[15] == std::byte{0x42});
  CHECK(device->flush() == Status::io_error());
  CHECK(device->write(0, bytes) == Status::not_supported());
  CHECK(device->trim(0, 16) == Status::not_supported());
  CHECK(device->process(Io(static_cast<Op>(99), 0, 0)) == Status::not_supported());
}

TEST_CASE("layers of one module are apart, devices of one layer are not") {
  FakeHost host;
  const TestLayer small(two, host), large(two, host, {{"size", "1M"}});
  CHECK(small.open()->geometry().size == 1024);
  CHECK(large.open()->geometry().size == 1 << 20);
  CHECK(large.open(true)->geometry().read_only);
  CHECK_FALSE(large.open()->geometry().read_only);
}

TEST_CASE("the table says what the class says") {
  CHECK(two.struct_size == sizeof(ashlar_module));
  CHECK(two.abi_major == ASHLAR_ABI_MAJOR);
  CHECK(two.kind == ASHLAR_PLUGIN);
  CHECK(two.threads == ASHLAR_PARALLEL);
  CHECK(two.n_params == 1);
  CHECK(std::string(two.params[0]->name) == "size");
  CHECK(std::string(two.summary) == "");
}
