// A plugin's shared object, loaded and driven through the C boundary as a host does.
#pragma once
#include <dlfcn.h>

#include <array>
#include <ashlar/geometry.hpp>
#include <ashlar/io.hpp>
#include <ashlar/testing/fake_blocking.hpp>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace testing {

using ashlar::Flags;
using ashlar::Geometry;
using ashlar::Io;
using ashlar::Status;
using ashlar::Flag::none;

// The host of a module: its log lines, by level, and what blocks.
struct Lines {
  ashlar_host services{sizeof(ashlar_host),
                       ASHLAR_ABI_MINOR,
                       this,
                       [](void*, std::uint32_t) noexcept -> std::int32_t { return 1; },
                       [](void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
                         static_cast<Lines*>(self)->lines[level].emplace_back(text, length);
                       },
                       [](void* self, const char* id) noexcept -> const void* {
                         if (std::strcmp(id, ASHLAR_BLOCKING_ID) != 0) return nullptr;
                         return static_cast<Lines*>(self)->blocking.services();
                       }};
  std::map<std::uint32_t, std::vector<std::string>> lines;
  ashlar::testing::FakeBlocking blocking;
};

struct Failed : std::runtime_error {
  Failed(int status, const char* text) : std::runtime_error(text), code(status) {}
  int code;
};

// Extents as a text: "D4096 H8192".
struct ExtentText {
  ashlar_extent_sink sink{this, &add};
  std::string text;
  std::uint64_t total = 0;

  static std::int32_t add(void* self, std::uint64_t length, std::uint32_t state) noexcept {
    auto& me = *static_cast<ExtentText*>(self);
    if (!me.text.empty()) me.text += ' ';
    me.text += state == 0 ? 'D' : 'H';
    me.text += std::to_string(length);
    me.total += length;
    return 0;
  }
};

class Device {
 public:
  Device(const ashlar_module& module, void* layer, bool read_only) {
    how_.read_only = read_only ? 1 : 0;
    std::array<char, 512> text{};
    ashlar_error error{sizeof(ashlar_error), -1, text.data(), text.size()};
    device_.struct_size = sizeof device_;
    if (const int s = module.open(layer, &how_, &device_, &error); s != 0) throw Failed(s, text.data());
    ashlar_geometry g{};
    g.struct_size = sizeof g;
    if (const int s = device_.describe(device_.self, &g, &error); s != 0) throw Failed(s, text.data());
    geometry = ashlar::from_abi(g);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { device_.close(device_.self); }

  int run(Io& io) { return device_.process(device_.self, &io); }
  int run(Io&& io) { return run(io); }
  int fill(std::uint64_t offset, std::size_t length, int byte, Flags flags = none) {
    const std::vector<std::byte> bytes(length, static_cast<std::byte>(byte));
    return run(Io::write(offset, bytes, flags));
  }
  std::vector<std::byte> read(std::uint64_t offset, std::size_t length) {
    std::vector<std::byte> bytes(length, std::byte{0xee});
    if (const int s = run(Io::read(offset, bytes)); s != 0) throw Failed(s, "read");
    return bytes;
  }
  bool holds(std::uint64_t offset, std::size_t length, int byte) {
    for (const std::byte b : read(offset, length))
      if (b != static_cast<std::byte>(byte)) return false;
    return true;
  }
  std::string extents(std::uint64_t offset, std::uint64_t length, Flags flags = none) {
    ExtentText found;
    Io io(ashlar::Op::extents, offset, length, flags);
    io.ashlar_io::extents = &found.sink;
    if (const int s = run(io); s != 0) throw Failed(s, "extents");
    return found.text;
  }

  Geometry geometry;

 private:
  ashlar_open how_{.struct_size = sizeof(ashlar_open),
                   .purpose = ASHLAR_OPEN_ON_TRIAL,
                   .read_only = 0,
                   .reserved = 0,
                   .export_name = "test",
                   .next = nullptr,
                   .below = nullptr,
                   .client = nullptr,
                   .self = nullptr,
                   .extension = [](void*, const char*) noexcept -> const void* { return nullptr; }};
  ashlar_device device_{};
};

// A layer. Parameters as their values' texts; those left out are as their defaults.
class Plugin {
 public:
  Plugin(const std::string& file, std::map<std::string, std::string> given) : given_(std::move(given)) {
    library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) throw std::runtime_error(dlerror());
    const auto entry = reinterpret_cast<ashlar_entry_fn>(dlsym(library_, ASHLAR_ENTRY_SYMBOL));
    module_ = entry(ASHLAR_ABI_MAJOR);
    for (std::uint32_t i = 0; i < module_->n_params; ++i)
      pointers_.push_back(&values_.emplace_back(value(*module_->params[i])));
    create_.values = pointers_.data();
    std::array<char, 512> text{};
    ashlar_error error{sizeof(ashlar_error), -1, text.data(), text.size()};
    if (const int s = module_->create(&create_, &layer_, &error); s != 0) throw Failed(s, text.data());
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  ~Plugin() {
    if (layer_.self != nullptr) module_->destroy(layer_.self);
    dlclose(library_);
  }
  Device open(bool read_only = false) { return Device(*module_, layer_.self, read_only); }
  const ashlar_module& module() const { return *module_; }
  // What it could serve, sorted, a blank behind each. Throws Failed.
  std::string exports() {
    struct Names {
      ashlar_exports_sink sink{this, [](void* self, const char* name, const char*) noexcept -> std::int32_t {
                                 static_cast<Names*>(self)->all.insert(name);
                                 return 0;
                               }};
      std::set<std::string> all;
    } names;
    const auto* extension = static_cast<const ashlar_exports*>(module_->extension(ASHLAR_EXPORTS_ID));
    std::array<char, 512> text{};
    ashlar_error error{sizeof(ashlar_error), -1, text.data(), text.size()};
    if (const int s = extension->list(layer_.self, &names.sink, &error); s != 0) throw Failed(s, text.data());
    std::string out;
    for (const std::string& name : names.all) out += name + " ";
    return out;
  }

  Lines log;

 private:
  ashlar_value value(const ashlar_param& param) {
    const auto found = given_.find(param.name);
    const char* text = found != given_.end() ? found->second.c_str() : param.default_text;
    ashlar_value v{sizeof v, param.type, text != nullptr ? 1u : 0u, 0, 0, nullptr, nullptr};
    if (text == nullptr) return v;
    if (param.type == ASHLAR_PARAM_BOOL) v.number = std::strcmp(text, "true") == 0;
    else if (param.type == ASHLAR_PARAM_INT || param.type == ASHLAR_PARAM_SIZE) v.number = std::stoll(text);
    else v.text = text;
    return v;
  }

  std::map<std::string, std::string> given_;
  void* library_ = nullptr;
  const ashlar_module* module_ = nullptr;
  std::deque<ashlar_value> values_;
  std::vector<const ashlar_value*> pointers_;
  ashlar_create create_{sizeof(ashlar_create), 1, "test", &log.services, nullptr};
  ashlar_layer layer_{sizeof(ashlar_layer), 0, nullptr, 0};
};

}  // namespace testing
