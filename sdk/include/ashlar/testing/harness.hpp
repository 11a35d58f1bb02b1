// Harness: a layer and its devices, made from a module's table in this process, as the host would.
#pragma once
#include <ashlar/module.hpp>
#include <ashlar/testing/extent_list.hpp>
#include <ashlar/testing/fake_host.hpp>
#include <ashlar/testing/refused.hpp>
#include <ashlar/testing/values.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace ashlar::testing {

// The table of a module made from a class, without a shared object.
//   static constexpr ashlar_module ram = testing::module_of<Ram>({.name = "ram"});
template <class T>
constexpr ashlar_module module_of(const About& about) {
  return ashlar::detail::Thunks<T>::module(about);
}

// A device that lacks a function.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A device, opened and described; closed when it goes out of scope. [requests: as the module allows]
class TestDevice {
 public:
  TestDevice(const ashlar_module& module, void* layer, const ashlar_open& how, std::string export_name)
      : export_name_(std::move(export_name)), how_(how) {
    how_.export_name = export_name_.c_str();
    must_succeed([&](ashlar_error* e) { return module.open(layer, &how_, &device_, e); });
    if (device_.close == nullptr) throw Malformed("its device lacks close");
    try {
      if (device_.describe == nullptr) throw Malformed("its device lacks describe");
      if (device_.process == nullptr) throw Malformed("its device lacks process");
      must_succeed([&](ashlar_error* e) { return device_.describe(device_.self, &geometry_, e); });
    } catch (...) {
      device_.close(device_.self);
      throw;
    }
  }
  ~TestDevice() { device_.close(device_.self); }
  TestDevice(const TestDevice&) = delete;
  TestDevice& operator=(const TestDevice&) = delete;

  Geometry geometry() const { return from_abi(geometry_); }
  // To stand another filter on it.
  const ashlar_device* device() const { return &device_; }
  const ashlar_geometry* below() const { return &geometry_; }

  Status process(Io& io) const { return Status{device_.process(device_.self, &io)}; }
  Status process(Io&& io) const { return process(io); }

  Status read(std::uint64_t offset, std::span<std::byte> into, Flags f = {}) const {
    return process(Io::read(offset, into, f));
  }
  Status write(std::uint64_t offset, std::span<const std::byte> from, Flags f = {}) const {
    return process(Io::write(offset, from, f));
  }
  Status flush() const { return process(Io(Op::flush, 0, 0)); }
  Status trim(std::uint64_t offset, std::uint64_t n, Flags f = {}) const { return process(Io(Op::trim, offset, n, f)); }
  Status zero(std::uint64_t offset, std::uint64_t n, Flags f = {}) const { return process(Io(Op::zero, offset, n, f)); }
  Status cache(std::uint64_t offset, std::uint64_t n, Flags f = {}) const {
    return process(Io(Op::cache, offset, n, f));
  }
  Status extents(std::uint64_t offset, std::uint64_t n, ExtentList& into, Flags f = {}) const {
    Io io(Op::extents, offset, n, f);
    io.set_sink(&into);
    return process(io);
  }

 private:
  std::string export_name_;
  ashlar_open how_;
  ashlar_device device_{sizeof(ashlar_device), 0, nullptr, nullptr, nullptr, nullptr, nullptr};
  ashlar_geometry geometry_{sizeof(ashlar_geometry), 0, 0, 0, 0, 0, 0, 0, 0, 0};
};

// A layer of an export. Must outlive its devices, and be outlived by the host.
class TestLayer {
 public:
  // Throws Refused when the module does, std::invalid_argument when `given` does not fit its table.
  TestLayer(const ashlar_module& module, const FakeHost& host, const Given& given = {})
      : module_(module),
        values_(module, given),
        create_{sizeof(ashlar_create), 1, "test", host.services(), values_.data()} {
    host.control().begin_create();
    must_succeed([&](ashlar_error* e) { return module.create(&create_, &layer_, e); });
  }
  ~TestLayer() { module_.destroy(layer_.self); }
  TestLayer(const TestLayer&) = delete;
  TestLayer& operator=(const TestLayer&) = delete;

  // A plugin's device. Throws Refused.
  std::unique_ptr<TestDevice> open(bool read_only = false, const std::string& name = "test") const {
    return make(how(read_only, nullptr, nullptr), name);
  }
  // A filter's device over `next`: a TestDevice or a ModelDisk, which must outlive it. Throws Refused.
  template <class Below>
  std::unique_ptr<TestDevice> open_over(Below& next, bool read_only = false, const std::string& name = "test") const {
    return make(how(read_only, next.device(), next.below()), name);
  }

 private:
  std::unique_ptr<TestDevice> make(const ashlar_open& how, const std::string& name) const {
    return std::make_unique<TestDevice>(module_, layer_.self, how, name);
  }
  static ashlar_open how(bool read_only, const ashlar_device* next, const ashlar_geometry* below) {
    return {.struct_size = sizeof(ashlar_open),
            .purpose = ASHLAR_OPEN_ON_TRIAL,
            .read_only = read_only,
            .reserved = 0,
            .export_name = nullptr,
            .next = next,
            .below = below,
            .client = nullptr,
            .self = nullptr,
            .extension = [](void*, const char*) noexcept -> const void* { return nullptr; }};
  }

  const ashlar_module& module_;
  Values values_;
  const ashlar_create create_;
  ashlar_layer layer_{sizeof(ashlar_layer), 0, nullptr, 0};
};

}  // namespace ashlar::testing
