// What the tests of the filter trace share: a layer that clients open, over a model disk.
#pragma once
#include <ashlar/filter.hpp>

#include <memory>
#include <string>
#include <vector>

#include "../../unit/trace/written.hpp"
#include "bench.hpp"
#include "catch.hpp"

namespace ashlar::testing {

struct Folder : TempFolder {
  std::string trace() const { return (path() / "disk.trace").string(); }
};

inline constexpr ashlar_client somebody{.struct_size = sizeof(ashlar_client),
                                        .transport = ASHLAR_TRANSPORT_UNIX,
                                        .number = 5,
                                        .address = nullptr,
                                        .uid = 1,
                                        .gid = 2,
                                        .pid = 3,
                                        .tls_name = nullptr,
                                        .psk_identity = nullptr,
                                        .export_name = ""};

// A layer that clients open.
class Traced {
 public:
  // `place`: in the chain; 1: no layer stands above.
  Traced(const FakeHost& host, const Given& given, std::uint32_t place = 3) : Traced(host.services(), given, place) {}
  Traced(const ashlar_host* host, const Given& given, std::uint32_t place = 3)
      : values_(own_module(), given), create_{sizeof(ashlar_create), place, "disk one", host, values_.data()} {
    char text[256];
    ashlar_error error{sizeof error, -1, text, sizeof text};
    if (const auto status = own_module().create(&create_, &layer_, &error)) throw Refused(status, text);
  }
  ~Traced() { own_module().destroy(layer_.self); }
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;

  // Before the first client comes, if at all.
  void begin_serving() const {
    char text[256];
    ashlar_error error{sizeof error, -1, text, sizeof text};
    const auto& serving = *static_cast<const ashlar_serving*>(own_module().extension(ASHLAR_SERVING_ID));
    if (const auto status = serving.begin(layer_.self, &error)) throw Refused(status, text);
  }

  std::unique_ptr<TestDevice> open_over(ModelDisk& disk, std::uint32_t purpose = ASHLAR_OPEN_FOR_CLIENT) const {
    const ashlar_open how{.struct_size = sizeof(ashlar_open),
                          .purpose = purpose,
                          .read_only = 0,
                          .reserved = 0,
                          .export_name = nullptr,
                          .next = disk.device(),
                          .below = disk.below(),
                          .client = purpose == ASHLAR_OPEN_FOR_CLIENT ? &somebody : nullptr,
                          .self = nullptr,
                          .extension = [](void*, const char*) noexcept -> const void* { return nullptr; }};
    return std::make_unique<TestDevice>(own_module(), layer_.self, how, "disk one");
  }

 private:
  Values values_;
  const ashlar_create create_;
  ashlar_layer layer_{sizeof(ashlar_layer), 0, nullptr, 0};
};

inline const ashlar_replied& told(const TestDevice& device) {
  const ashlar_device& d = *device.device();
  return *static_cast<const ashlar_replied*>(d.extension(d.self, ASHLAR_REPLIED_ID));
}

inline Status ask(const TestDevice& device, Io io, std::uint64_t id) {
  io.ashlar_io::id = id;
  return device.process(io);
}

// The run of each record.
inline std::vector<std::uint64_t> runs_of(trace::FileReader& reader) {
  std::vector<std::uint64_t> runs;
  for (const trace::Record& one : trace::all_of(reader)) runs.push_back(one.run);
  return runs;
}

}  // namespace ashlar::testing
