// FakeModule: a module in this process whose functions are the test's. FakeExport: an export made of them.
#pragma once
#include <spdlog/sinks/ostream_sink.h>

#include <ashlar/geometry.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "chain/chain.hpp"
#include "chain/export.hpp"

namespace ashlar::host {

// What happened, in order. Safe for all threads.
class Journal {
 public:
  void add(std::string line) {
    const std::lock_guard guard(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> take() {
    const std::lock_guard guard(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

class FakeModule {
 public:
  using Control = std::function<std::int32_t(ashlar_error&)>;

  FakeModule(ModuleKind kind, const char* module_name, std::uint32_t threads = ASHLAR_PARALLEL) {
    table_.struct_size = sizeof table_;
    table_.abi_major = ASHLAR_ABI_MAJOR;
    table_.kind = kind == ModuleKind::plugin ? ASHLAR_PLUGIN : ASHLAR_FILTER;
    table_.name = module_name;
    table_.version = "1";
    table_.summary = "a fake";
    table_.threads = threads;
    table_.n_params = 2;
    table_.params = params_;
    table_.create = &create_thunk;
    table_.destroy = &destroy_thunk;
    table_.open = &open_thunk;
  }
  FakeModule(const FakeModule&) = delete;
  FakeModule& operator=(const FakeModule&) = delete;

  const ashlar_module& table() const { return table_; }
  void set_extension(const void* (*extension)(const char*) noexcept) { table_.extension = extension; }
  void make_serial() { table_.threads = ASHLAR_SERIAL; }
  // From here on no config has what it needs.
  void need_parameter() {
    param_.default_text = nullptr;
    param_.required = 1;
  }
  // The layer as a config would name it.
  LayerConfig layer() const {
    LayerConfig config;
    config.type = table_.name;
    return config;
  }

  // What its devices say of themselves.
  ashlar_geometry geometry{sizeof(ashlar_geometry), 1, 4096, 0, 1 << 20, ASHLAR_OPS_KNOWN, ASHLAR_FLAGS_KNOWN, 0, 0, 0};
  // How its devices answer. A filter hands on by how.next.
  std::function<std::int32_t(ashlar_io& io, const ashlar_open& how)> process = [](ashlar_io&, const ashlar_open&) {
    return 0;
  };
  Control create, open, describe;                                       // fail where they return an error
  std::function<std::int32_t(const ashlar_open&)> open_how;             // likewise, by how it is opened
  std::function<void(const ashlar_create&, ashlar_layer&)> create_how;  // what create does beside
  std::function<void(ashlar_device&)> spoil;                            // what open hands out
  std::function<void()> close, destroy;                                 // before a device, or the layer, is gone
  Journal* journal = nullptr;

 private:
  struct Device {
    FakeModule& of;
    ashlar_open how;
  };
  std::int32_t enter(const char* call, const Control& control, ashlar_error* error) {
    if (journal != nullptr) journal->add(std::string(call) + " " + table_.name);
    return control ? control(*error) : 0;
  }
  static std::int32_t create_thunk(const ashlar_create* how, ashlar_layer* out, ashlar_error* error) noexcept {
    auto* self = reinterpret_cast<FakeModule*>(static_cast<std::intptr_t>(how->values[0]->number));
    out->self = self;
    if (self->create_how) self->create_how(*how, *out);
    return self->enter("create", self->create, error);
  }
  static void destroy_thunk(void* layer) noexcept {
    auto& self = *static_cast<FakeModule*>(layer);
    self.enter("destroy", {}, nullptr);
    if (self.destroy) self.destroy();
  }
  static std::int32_t open_thunk(void* layer, const ashlar_open* how, ashlar_device* out,
                                 ashlar_error* error) noexcept {
    auto& self = *static_cast<FakeModule*>(layer);
    if (const std::int32_t status = self.enter("open", self.open, error)) return status;
    if (const std::int32_t status = self.open_how ? self.open_how(*how) : 0) return status;
    out->self = new Device{self, *how};
    out->describe = &describe_thunk;
    out->process = &process_thunk;
    out->close = &close_thunk;
    if (self.spoil) self.spoil(*out);
    return 0;
  }
  static std::int32_t describe_thunk(void* device, ashlar_geometry* out, ashlar_error* error) noexcept {
    FakeModule& self = static_cast<Device*>(device)->of;
    *out = self.geometry;
    return self.enter("describe", self.describe, error);
  }
  static std::int32_t process_thunk(void* device, ashlar_io* io) noexcept {
    const auto& d = *static_cast<Device*>(device);
    return d.of.process(*io, d.how);
  }
  static void close_thunk(void* device) noexcept {
    const std::unique_ptr<Device> d(static_cast<Device*>(device));
    d->of.enter("close", {}, nullptr);
    if (d->of.close) d->of.close();
  }

  // A parameter tells the functions above whose they are.
  const std::string self_ = std::to_string(reinterpret_cast<std::intptr_t>(this));
  ashlar_param param_{sizeof(ashlar_param),
                      ASHLAR_PARAM_INT,
                      "self",
                      "the fake itself",
                      self_.c_str(),
                      0,
                      0,
                      INT64_MIN,
                      INT64_MAX,
                      nullptr};
  // And one that it does not look at.
  static constexpr ashlar_param at_{
      sizeof(ashlar_param), ASHLAR_PARAM_STRING, "at", "a place", nullptr, 0, 0, 0, 0, nullptr};
  const ashlar_param* const params_[2] = {&param_, &at_};
  ashlar_module table_{};
};

// Log lines, in memory.
class LogText {
 public:
  LogText()
      : logger_(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_))) {}
  const std::shared_ptr<spdlog::logger>& logger() const { return logger_; }
  // [when no other thread logs]
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> logger_;
};

// The modules outlive it.
class FakeExport {
 public:
  struct Settings {
    bool read_only = false;
    bool zero_emulation = false;
    bool optional = false;
    bool exclusive = false;
    bool multi_conn = true;
    bool requires_tls = false;
    std::string name = "disk";
    std::string at = {};  // not empty: the parameter of the plugin
    std::optional<AccessRules> allow = {};
    bool is_image = false;
    const FakeModule* absent = nullptr;  // of the modules, the one that cannot be found before add()
    std::shared_ptr<Activity> activity = Activity::make();
  };
  // `modules`: from the client's side down; the last is the plugin. `spare`: can be found, but stands in no config.
  explicit FakeExport(const std::vector<FakeModule*>& modules) : FakeExport(modules, Settings()) {}
  FakeExport(const std::vector<FakeModule*>& modules, Settings settings, const std::vector<FakeModule*>& spare = {}) {
    for (FakeModule* module : modules)
      if (module != settings.absent) registry_.add(*module);
    for (FakeModule* module : spare) registry_.add(*module);
    config_.file = "test.toml";
    ExportConfig own;
    own.file = config_.file;
    own.name = settings.name;
    own.exclusive = settings.exclusive;
    own.multi_conn = settings.multi_conn;
    own.tls_required = settings.requires_tls;
    own.allow = settings.allow;
    own.read_only = settings.read_only;
    own.zero_emulation = settings.zero_emulation;
    own.optional = settings.optional;
    config_.is_image = settings.is_image;
    for (FakeModule* module : modules) {
      if (module == modules.back()) own.plugin = module->layer();
      else own.filters.push_back(module->layer());
    }
    if (!settings.at.empty()) own.plugin.parameters.push_back({"at", {}, {{}, settings.at}});
    export_ = std::make_shared<Export>(config_, own, registry_, log.logger(), settings.activity, nullptr, places_);
  }

  Export& operator*() { return *export_; }
  Export* operator->() { return export_.get(); }
  const Export& exported() const { return *export_; }
  void add(const FakeModule& module) { registry_.add(module); }
  // As after a reload of a config in which `change` has changed the export.
  template <class Change>
  std::shared_ptr<Export> after(Change change) {
    Config config = config_;
    ExportConfig own = export_->config().exports.front();
    change(own);
    return std::make_shared<Export>(config, own, registry_, log.logger(), Activity::make(), &*export_, places_);
  }
  std::shared_ptr<Export> release() { return std::move(export_); }
  const std::shared_ptr<Export>& shared() const { return export_; }

  LogText log;

 private:
  class FakeLibrary final : public Library {
   public:
    explicit FakeLibrary(const ashlar_module* table) : Library(table, std::string("/") + table->name + ".so") {}
  };
  class FakeRegistry final : public Registry {
   public:
    FakeRegistry() : Registry(std::vector<std::filesystem::path>{}) {}
    void add(const FakeModule& module) {
      libraries_[module.table().name] = std::make_shared<const FakeLibrary>(&module.table());
    }
    std::shared_ptr<const Library> find(ModuleKind, const std::string& module) override {
      const auto found = libraries_.find(module);
      if (found == libraries_.end()) throw ModuleError("no module " + module);
      return found->second;
    }

   private:
    std::map<std::string, std::shared_ptr<const Library>> libraries_;
  };

  FakeRegistry registry_;
  Config config_;
  const std::shared_ptr<PlacesByName> places_ = std::make_shared<PlacesByName>();
  std::shared_ptr<Export> export_;
};

}  // namespace ashlar::host
