// ASHLAR_MODULE: makes a class derived from Plugin or Filter into a module. One per shared object.
//
//   class Ram final : public ashlar::Plugin { ... };
//   ASHLAR_MODULE(Ram, .name = "ram", .version = "1.0", .summary = "a disk in memory")
//
// The class may have
//
//   using Layer = T;                        state of one layer in the config, shared by its connections;
//                                           T(const Create&)
//   static constexpr Param params[] = {…};  its parameter table
//   void begin_serving();                   of Layer: called once, before the first client comes (device.hpp);
//                                           may throw
//   static void probe(const ProbeRequest&); what the backend at a path supports (probe.hpp); may throw
//   static void list_exports(Layer&, const ExportsSink&);
//                                           what it could serve, for templates (exports.hpp); may throw
//   static constexpr bool never_writes_below = true;  the layers below may be opened read-only (filters)
//   static constexpr bool connects = true;  it connects to others (ASHLAR_CONNECTS_ID)
//   static constexpr const char* group = "limits";  among which others it is listed (ASHLAR_GROUP_ID)
//
// and is constructed as (Layer&, const Open&), or as (const Open&), or by default.
#pragma once
#include <ashlar/device.hpp>
#include <ashlar/exports.hpp>
#include <ashlar/probe.hpp>

#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <type_traits>

namespace ashlar {

enum class Threads : std::uint32_t { serial = ASHLAR_SERIAL, parallel = ASHLAR_PARALLEL };

struct About {
  const char* name;  // as the user types it; the file is called NAME.so
  const char* version = "0";
  const char* summary = "";                      // one line
  Threads threads = Threads::serial;             // serial: a layer is called by one thread at a time, see abi.h
  std::uint32_t needs_minor = ASHLAR_ABI_MINOR;  // lower it only if the module works with an older host
};

namespace detail {

// One line, whatever an exception says. `parameter`: that it is about, if the line has to say so.
inline void write_error(ashlar_error* error, const char* text, const char* parameter = nullptr) {
  if (error == nullptr || error->capacity == 0) return;
  if (parameter == nullptr) std::snprintf(error->text, error->capacity, "%s", text);
  else std::snprintf(error->text, error->capacity, "%s: %s", parameter, text);
  for (char* c = error->text; *c != '\0'; ++c)
    if (*c == '\n') *c = ' ';
}

// The row of `name` in a module's table; -1: none.
inline std::int32_t row_of(const char* name, const ashlar_param* const* table, std::size_t rows) {
  for (std::size_t i = 0; i < rows; ++i)
    if (std::strcmp(table[i]->name, name) == 0) return static_cast<std::int32_t>(i);
  return -1;
}

// Turns the exception under way into a status and a text. `table`: the module's parameters. Never throws.
inline std::int32_t report(ashlar_error* error, const ashlar_param* const* table = nullptr,
                           std::size_t rows = 0) noexcept {
  try {
    throw;
  } catch (const BadParameter& e) {
    const std::int32_t row = row_of(e.name(), table, rows);
    if (error != nullptr) error->parameter = row;
    write_error(error, e.what(), row < 0 ? e.name() : nullptr);  // a name that is not in the table is not lost
    return e.code();
  } catch (const std::system_error& e) {
    write_error(error, e.what());
    return e.code().category() == std::generic_category() || e.code().category() == std::system_category()
               ? (e.code().value() > 0 ? e.code().value() : EIO)
               : EIO;
  } catch (const std::bad_alloc&) {
    write_error(error, "out of memory");
    return ENOMEM;
  } catch (const std::invalid_argument& e) {
    write_error(error, e.what());
    return EINVAL;
  } catch (const std::exception& e) {
    write_error(error, e.what());
    return EIO;
  } catch (...) {
    write_error(error, "unknown exception");
    return EIO;
  }
}

template <class T>
struct LayerOf {
  using type = NoLayer;
};
template <class T>
requires requires { typename T::Layer; }
struct LayerOf<T> {
  using type = typename T::Layer;
};

// An op is offered when the class overrides it: then the member's class is no longer that of Device.
template <class T>
constexpr Ops overridden() {
  using Base = Status (Device::*)(Io&) noexcept;
  Ops ops;
  if (!std::is_same_v<decltype(&T::read), Base>) ops |= Ops{Op::read};
  if (!std::is_same_v<decltype(&T::write), Base>) ops |= Ops{Op::write};
  if (!std::is_same_v<decltype(&T::flush), Base>) ops |= Ops{Op::flush};
  if (!std::is_same_v<decltype(&T::trim), Base>) ops |= Ops{Op::trim};
  if (!std::is_same_v<decltype(&T::zero), Base>) ops |= Ops{Op::zero};
  if (!std::is_same_v<decltype(&T::cache), Base>) ops |= Ops{Op::cache};
  if (!std::is_same_v<decltype(&T::extents), Base>) ops |= Ops{Op::extents};
  return ops;
}

// Which class declares a member; does not compile where there are several of that name.
template <class Class>
Class owner(Status (Class::*)(Io&) noexcept);

// `device` is of that class and not derived from it: the compiler may see through each op, and of one that only hands
// on it leaves a jump to the layer below. (The name of the class is looked up in it, too: it must not be that of a
// member.)
template <class AshlarModuleClass>
Status process(AshlarModuleClass& device, Io& io) noexcept {
  if constexpr (requires { requires std::is_same_v<decltype(owner(&AshlarModuleClass::process)), Device>; }) {
    switch (io.op()) {
      case Op::read: return device.AshlarModuleClass::read(io);
      case Op::write: return device.AshlarModuleClass::write(io);
      case Op::flush: return device.AshlarModuleClass::flush(io);
      case Op::trim: return device.AshlarModuleClass::trim(io);
      case Op::zero: return device.AshlarModuleClass::zero(io);
      case Op::cache: return device.AshlarModuleClass::cache(io);
      case Op::extents: return device.AshlarModuleClass::extents(io);
    }
    return Status::not_supported();
  } else {
    return device.AshlarModuleClass::process(io);
  }
}

template <class T>
struct Thunks {
  using Layer = typename LayerOf<T>::type;

  struct Created {
    explicit Created(const Create& create) : host(create.host), layer(create) {}
    Host host;
    Layer layer;
  };

  static std::int32_t create(const ashlar_create* how, ashlar_layer* out, ashlar_error* error) noexcept {
    try {
      out->self = new Created(Create{.host = Host{how->host},
                                     .params = Params{table_data(), {how->values, table_size()}},
                                     .export_name = how->export_name,
                                     .place = how->place});
      if constexpr (requires { T::never_writes_below; })
        if (T::never_writes_below) out->traits |= ASHLAR_NEVER_WRITES_BELOW;
      return 0;
    } catch (...) {
      return report(error, table_data(), table_size());
    }
  }
  static void destroy(void* layer) noexcept { delete static_cast<Created*>(layer); }

  static std::unique_ptr<T> make(Layer& layer, const Open& open) {
    if constexpr (std::is_constructible_v<T, Layer&, const Open&>) return std::make_unique<T>(layer, open);
    else if constexpr (std::is_constructible_v<T, const Open&>) return std::make_unique<T>(open);
    else return std::make_unique<T>();
  }

  static std::int32_t open(void* layer, const ashlar_open* how, ashlar_device* out, ashlar_error* error) noexcept {
    try {
      auto& created = *static_cast<Created*>(layer);
      const Open open{.export_name = how->export_name,
                      .read_only = how->read_only != 0,
                      .purpose = static_cast<Purpose>(how->purpose),
                      .host = created.host,
                      .next = how->next,
                      .below = how->below,
                      .client = how->client != nullptr ? std::optional<Client>(*how->client) : std::nullopt,
                      .raw = how};
      out->self = make(created.layer, open).release();
      out->describe = &describe;
      out->process = &process;
      out->close = &close;
      out->extension = &device_extension;
      return 0;
    } catch (...) {
      return report(error, table_data(), table_size());
    }
  }
  static std::int32_t describe(void* self, ashlar_geometry* out, ashlar_error* error) noexcept {
    try {
      Geometry g = static_cast<T*>(self)->describe();
      g.ops &= overridden<T>();
      to_abi(g, *out);
      return 0;
    } catch (...) {
      return report(error, table_data(), table_size());
    }
  }
  static std::int32_t process(void* self, ashlar_io* io) noexcept {
    return detail::process(*static_cast<T*>(self), *static_cast<Io*>(io)).code();
  }
  static void close(void* self) noexcept { delete static_cast<T*>(self); }
  static const void* device_extension(void* self, const char* id) noexcept {
    return static_cast<T*>(self)->extension(id);
  }

  // Optional abilities of the module. They have to be found at compile time, as the table is constant.
  static constexpr bool has_probe = requires(const ProbeRequest& request) { T::probe(request); };
  static std::int32_t probe(const char* path, std::uint32_t flags, const ashlar_probe_sink* sink,
                            ashlar_error* error) noexcept {
    try {
      if constexpr (has_probe) T::probe(ProbeRequest{path, (flags & ASHLAR_PROBE_ONLY_ASK) != 0, ProbeReport{*sink}});
      return 0;
    } catch (...) {
      return report(error);
    }
  }
  static constexpr ashlar_probe probe_table{sizeof(ashlar_probe), 0, &probe};

  static constexpr bool has_exports = requires(Layer & layer, const ExportsSink& sink) {
    T::list_exports(layer, sink);
  };
  static std::int32_t list_exports(void* layer, const ashlar_exports_sink* sink, ashlar_error* error) noexcept {
    try {
      if constexpr (has_exports) T::list_exports(static_cast<Created*>(layer)->layer, ExportsSink{*sink});
      return 0;
    } catch (...) {
      return report(error, table_data(), table_size());
    }
  }
  static constexpr ashlar_exports exports_table{sizeof(ashlar_exports), 0, &list_exports};

  static constexpr bool has_serving = requires(Layer & layer) { layer.begin_serving(); };
  static std::int32_t begin_serving(void* layer, ashlar_error* error) noexcept {
    try {
      if constexpr (has_serving) static_cast<Created*>(layer)->layer.begin_serving();
      return 0;
    } catch (...) {
      return report(error, table_data(), table_size());
    }
  }
  static constexpr ashlar_serving serving_table{sizeof(ashlar_serving), 0, &begin_serving};

  static constexpr bool says_connects() {
    if constexpr (requires { requires std::is_same_v<decltype(T::connects), const bool>; }) return T::connects;
    else return false;
  }
  static constexpr ashlar_connects connects_table{sizeof(ashlar_connects), 0};

  static constexpr const char* group() {
    if constexpr (requires { requires std::is_convertible_v<decltype(T::group), const char*>; }) return T::group;
    else return nullptr;
  }
  static constexpr ashlar_group group_table{sizeof(ashlar_group), 0, group()};

  static const void* extension(const char* id) noexcept {
    if (group() != nullptr && std::strcmp(id, ASHLAR_GROUP_ID) == 0) return &group_table;
    if (says_connects() && std::strcmp(id, ASHLAR_CONNECTS_ID) == 0) return &connects_table;
    if (has_probe && std::strcmp(id, ASHLAR_PROBE_ID) == 0) return &probe_table;
    if (has_exports && std::strcmp(id, ASHLAR_EXPORTS_ID) == 0) return &exports_table;
    if (has_serving && std::strcmp(id, ASHLAR_SERVING_ID) == 0) return &serving_table;
    return nullptr;
  }

  static constexpr std::size_t table_size() {
    if constexpr (requires { T::params; }) return std::size(T::params);
    else return 0;
  }
  static constexpr auto make_table() {
    std::array<const ashlar_param*, table_size() + 1> rows{};
    if constexpr (requires { T::params; })
      for (std::size_t i = 0; i < table_size(); ++i) rows[i] = &T::params[i];
    return rows;
  }
  static constexpr std::array<const ashlar_param*, table_size() + 1> table = make_table();
  static const ashlar_param* const* table_data() { return table.data(); }

  static constexpr ashlar_module module(const About& about) {
    return {sizeof(ashlar_module),
            ASHLAR_ABI_MAJOR,
            about.needs_minor,
            T::kind,
            about.name,
            about.version,
            about.summary,
            static_cast<std::uint32_t>(about.threads),
            static_cast<std::uint32_t>(table_size()),
            table.data(),
            &create,
            &destroy,
            &open,
            group() != nullptr || says_connects() || has_probe || has_exports || has_serving ? &extension : nullptr};
  }
};

}  // namespace detail
}  // namespace ashlar

#define ASHLAR_MODULE(Class, ...)                                                                                \
  static constexpr ashlar_module ashlar_module_table =                                                           \
      ::ashlar::detail::Thunks<Class>::module(::ashlar::About{__VA_ARGS__});                                     \
  extern "C" __attribute__((visibility("default"))) const ashlar_module* ashlar_entry(std::uint32_t host_major); \
  extern "C" const ashlar_module* ashlar_entry(std::uint32_t host_major) {                                       \
    return host_major == ASHLAR_ABI_MAJOR ? &ashlar_module_table : nullptr;                                      \
  }
