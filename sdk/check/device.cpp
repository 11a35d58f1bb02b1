#include "device.hpp"

#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <ashlar/rules/extension.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "error_room.hpp"
#include "under_way.hpp"

namespace ashlar::check {
namespace {

std::uint64_t now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

class Within {
 public:
  Within(Below* below, std::uint64_t id) : below_(below), id_(id) {
    if (below_ != nullptr) below_->enter(id_);
  }
  ~Within() {
    if (below_ != nullptr) below_->leave(id_);
  }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  Below* const below_;
  const std::uint64_t id_;
};

const void* connection_extension(void* self, const char* id) noexcept {
  return static_cast<Services*>(self)->of_connection(id);
}

std::vector<std::uint8_t> bytes_of(const ashlar_module& module) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&module);
  return {bytes, bytes + std::min<std::size_t>(module.struct_size, sizeof module)};
}

// By turns one of each transport, of which all is known that can be, or nothing.
ashlar_client a_client(std::uint64_t number, const char* export_name) {
  const auto n = number;
  switch (n % 4) {
    case 0: return {0, ASHLAR_TRANSPORT_UNIX, n, nullptr, -1, -1, -1, nullptr, nullptr, export_name};
    case 1: return {0, ASHLAR_TRANSPORT_UNIX, n, nullptr, 0, 0, 1, nullptr, nullptr, export_name};
    case 2: return {0, ASHLAR_TRANSPORT_TCP, n, "[2001:db8::1]:49152", -1, -1, -1, nullptr, nullptr, export_name};
    default: return {0, ASHLAR_TRANSPORT_TCP, n, "192.0.2.1:49152", -1, -1, -1, "CN=client", "alice", export_name};
  }
}

}  // namespace

Layer::Layer(const ashlar_module& module, Services& services, const testing::Given& given, Watch& watch, bool on_trial)
    : module_(module),
      table_(bytes_of(module)),
      services_(services),
      watch_(watch),
      values_(module, given),
      host_(services.add_layer()),
      create_({0, 1, "check", host_.host(), values_.data()}),
      layer_({0, 0, nullptr, 0}) {
  ErrorRoom error(services.error_room());
  watch_.begin("create");
  const std::int32_t status = module_.create(create_.get(), layer_.get(), error.get());
  watch_.end();
  host_.end_create();
  if (status != 0) {
    host_.end();
    throw error.refused(module_, "create", status);
  }
  const auto look = [&] {
    error.look("create");
    layer_.look("create");
    if (layer_->reserved != 0) throw Broken{"create set a reserved field"};
    if ((layer_->traits & ~ASHLAR_NEVER_WRITES_BELOW) != 0) throw Broken{"create set a trait that is unknown"};
  };
  try {
    look();
    if (!on_trial) begin_serving();
  } catch (...) {
    module_.destroy(layer_->self);
    host_.end();
    throw;
  }
}

// As the host does before clients come.
void Layer::begin_serving() {
  const auto* serving = static_cast<const ashlar_serving*>(rules::extension_of(module_, ASHLAR_SERVING_ID));
  if (serving == nullptr) return;
  if (!rules::is_usable(*serving)) throw Broken{std::string("its ") + ASHLAR_SERVING_ID + " is not whole"};
  ErrorRoom error(services_.error_room());
  watch_.begin("begin");
  const std::int32_t status = serving->begin(layer_->self, error.get());
  watch_.end();
  if (status != 0) throw error.refused(module_, "begin", status);
  error.look("begin");
}

Layer::~Layer() {
  watch_.begin("destroy");
  module_.destroy(layer_->self);
  host_.end();
  watch_.end();
}

void Layer::look() const {
  require(table_ == bytes_of(module_), "the module's table has changed");
  create_.look("the module, which create_ was lent to,");
  values_.look();
  host_.look();
  services_.look();
}

Device::Device(Layer& layer, const Opening& how)
    : layer_(layer),
      below_(how.below),
      client_(a_client(layer.new_client(), export_name_.c_str())),
      open_({0, how.purpose, how.read_only ? 1u : 0u, 0, export_name_.c_str(),
             below_ != nullptr ? below_->device() : nullptr, below_ != nullptr ? below_->geometry() : nullptr,
             how.purpose == ASHLAR_OPEN_FOR_CLIENT ? client_.get() : nullptr, &layer.services(),
             &connection_extension}),
      device_({0, 0, nullptr, nullptr, nullptr, nullptr, nullptr}),
      described_({0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) {
  ErrorRoom error(layer_.services().error_room());
  layer_.watch().begin("open");
  const std::int32_t status = [&] {
    const WithinOpen opening;
    return layer_.module().open(layer_.self(), open_.get(), device_.get(), error.get());
  }();
  layer_.watch().end();
  if (status != 0) throw error.refused(layer_.module(), "open", status);
  if (device_->close == nullptr) throw Broken{"its device lacks close"};
  try {
    error.look("open");
    device_.look("open");
    if (device_->reserved != 0) throw Broken{"open set a reserved field"};
    if (device_->describe == nullptr) throw Broken{"its device lacks describe"};
    if (device_->process == nullptr) throw Broken{"its device lacks process"};
    describe();
    ask_for_replied();
  } catch (...) {
    device_->close(device_->self);
    throw;
  }
}

void Device::ask_for_replied() {
  if (device_->extension == nullptr) return;
  replied_ = static_cast<const ashlar_replied*>(device_->extension(device_->self, ASHLAR_REPLIED_ID));
  if (replied_ == nullptr) return;
  if (!rules::is_usable(*replied_)) throw Broken{"its table for replies is wrong"};
  // Of requests that were refused, or answered by a layer above.
  layer_.watch().begin("replied");
  for (const std::int32_t status : {0, EINVAL, ESHUTDOWN, ECONNABORTED})
    replied_->replied(replied_->self, layer_.new_id(), status);
  layer_.watch().end();
}

void Device::describe() {
  ErrorRoom error(layer_.services().error_room());
  const Within within(below_, Below::in_describe);
  layer_.watch().begin("describe");
  const std::int32_t status = device_->describe(device_->self, described_.get(), error.get());
  layer_.watch().end();
  if (status != 0) throw error.refused(layer_.module(), "describe", status);
  error.look("describe");
  described_.look("describe");
  if (described_->reserved != 0) throw Broken{"describe set a reserved field"};
  geometry_ = from_abi(*described_.get());
}

namespace {

// The request of which this thread makes another: by which device, and its id.
thread_local const Device* made_by = nullptr;
thread_local std::uint64_t made_of = 0;

}  // namespace

Device::~Device() {
  if (made_by == this) {
    made_by = nullptr;
    tell_replied(made_of, 0);
  }
  const Within within(below_, 0);
  layer_.watch().begin("close");
  device_->close(device_->self);
  layer_.watch().end();
}

void Device::look() const {
  open_.look("the device, which open was lent to,");
  client_.look("the device, which its client was lent to,");
  require(export_name_ == name_of_the_export, "the device, which the name of its export was lent to, changed it");
  layer_.look();
}

// Most are a client's own. A layer above may make two of one, or one of none; and a try that would have waited comes
// again.
Device::Origin Device::origin(std::uint64_t id) const {
  const std::uint64_t turn = layer_.new_request();
  const bool longer = turn % 2 == 0;
  if (id != 0) return {id, true, longer};
  if (const Device* const by = std::exchange(made_by, nullptr); by == this) return {made_of, true, longer};
  else if (by != nullptr) by->tell_replied(made_of, 0);
  if (turn % 7 == 6) return {0, false, longer};
  return {layer_.new_id(), turn % 7 != 4, longer};
}

Status Device::send(Request& request) const {
  const bool has_own = request.id != 0;
  const Origin of = origin(request.id);
  request.id = of.id;
  ashlar_io io{};
  io.op = static_cast<std::uint32_t>(request.op);
  io.flags = request.flags.bits();
  io.offset = request.offset;
  io.length = request.length;
  io.data = request.data;
  LentForACall<LentSink> sink(request.sink);
  if (request.sink != nullptr) io.extents = sink.get();
  io.lent_fd = -1;
  io.id = request.id;
  io.arrived = request.id != 0 ? now() : 0;
  LentForACall<Padded<ashlar_io>> lent(io, of.longer);
  Padded<ashlar_io>& sent = *lent;
  const ashlar_io asked = *sent.get();

  std::int32_t status = 0;
  {
    const Within within(below_, request.id);
    const WithinRequest process(request.flags.has(Flag::nowait));
    layer_.watch().begin(asked);
    status = device_->process(device_->self, sent.get());
    layer_.watch().end();
  }
  // What would have waited comes again.
  if (of.id != 0 && (!of.last || (status == EAGAIN && !has_own))) {
    made_by = this;
    made_of = of.id;
  }
  if (request.sink != nullptr) request.sink->close();
  sent.look(request.text());
  must_fit(request, asked, *sent.get(), status);
  request.lent_fd = sent->lent_fd;
  request.cold = sent->lent_cold != 0;
  request.lent_offset = sent->lent_offset;
  if (of.last && status != EAGAIN) tell_replied(request.id, status);
  return Status{status};
}

void Device::tell_replied(std::uint64_t id, std::int32_t status) const {
  if (replied_ == nullptr) return;
  layer_.watch().begin("replied");
  replied_->replied(replied_->self, id, status);
  layer_.watch().end();
}

void Device::must_fit(const Request& request, const ashlar_io& asked, const ashlar_io& io, std::int32_t status) const {
  const auto broken = [&](const std::string& how) { throw Broken{request.text() + " " + how}; };
  const auto same = [&](bool equal, const char* field) {
    if (!equal) broken(std::string("came back with another ") + field);
  };
  same(io.op == asked.op, "op");
  same(io.flags == asked.flags, "flags");
  same(io.offset == asked.offset, "offset");
  same(io.length == asked.length, "length");
  same(io.data == asked.data, "data");
  same(io.extents == asked.extents, "extents");
  same(io.id == asked.id, "id");
  same(io.arrived == asked.arrived, "arrived");
  if (status < 0 || status > largest_errno) broken("answered " + std::to_string(status) + ", which is no errno number");
  if (status == EAGAIN && !request.flags.has(Flag::nowait)) broken("answered EAGAIN, although it was allowed to wait");
  if (request.sink != nullptr)
    if (const std::string fault = request.sink->fault(); !fault.empty()) broken(fault);
  if (io.lent_fd == -1 && io.lent_cold == 0) return;
  if (!request.flags.has(Flag::may_lend)) broken("lent its bytes unasked");
  if (io.lent_cold > 1) broken("set lent_cold to " + std::to_string(io.lent_cold));
  if (io.lent_cold == 1 && !request.flags.has(Flag::may_lend_cold))
    broken("lent bytes of which nobody knows whether they are in memory");
  if (status == 0 && (io.lent_fd < 0 || ::fcntl(io.lent_fd, F_GETFD) < 0))
    broken("lent a descriptor that is none: " + std::to_string(io.lent_fd));
}

}  // namespace ashlar::check
