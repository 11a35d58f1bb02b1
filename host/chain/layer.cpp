#include "chain/layer.hpp"

#include "chain/wait.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

std::string log_name(const ExportConfig& in, const ashlar_module& module) {
  return (in.name.empty() ? "(default)" : in.name) + "/" + module.name;
}

const void* host_extension(void*, const char* id) noexcept {
  return std::string_view(id) == ASHLAR_WAIT_ID ? &wait_services() : nullptr;
}

}  // namespace

LayerName layer_name(const std::string& export_name, ModuleKind kind, const std::string& type) {
  return {export_name, std::string(name(kind)) + " " + in_quotes(type)};
}

std::string who(const LayerName& layer) { return "export " + in_quotes(layer.exported) + ": " + layer.layer; }

Layer::Layer(std::shared_ptr<const Library> library, const Config& config, const ExportConfig& in, LayerConfig layer,
             bool implicit, const std::shared_ptr<spdlog::logger>& logger, Activity& activity)
    : library_(std::move(library)),
      activity_(activity),
      name_(activity.keep(layer_name(in.name, library_->kind(), library_->module().name))),
      config_(std::move(layer)),
      implicit_(implicit),
      values_(config, config_, library_->module()),
      log_(logger, log_name(in, library_->module()), &host_extension),
      create_{sizeof(ashlar_create), 0, &log_.services(), values_.data()} {}

Layer::~Layer() {
  if (created_) {
    const Inside inside(activity_, name_, Call::destroy);
    library_->module().destroy(layer_.self);
  }
  const Inside inside(activity_, name_, Call::unload);  // nobody else may have it in use
  library_.reset();
}

void Layer::create() {
  activity_.check();
  ErrorText refusal;
  const Inside inside(activity_, name_, Call::create);
  if (const std::int32_t status = library_->module().create(&create_, &layer_, refusal.receiver()))
    throw refused(status, refusal);
  created_ = true;
  if (layer_.reserved != 0) throw at_fault("its layer has something in a field that is reserved");
}

OpenError Layer::refused(std::int32_t status, const ErrorText& why) const {
  OpenError::Facts facts = at_fault(why.cause(status)).facts();
  facts.status = status;
  const std::int32_t row = why.parameter();
  if (row < 0 || static_cast<std::size_t>(row) >= values_.size()) return OpenError(std::move(facts));
  facts.key = library_->module().params[row]->name;
  for (const TomlEntry& given : config_.parameters)
    if (given.key == facts.key) facts.place = given.node.place;
  return OpenError(std::move(facts));
}

OpenError Layer::at_fault(const std::string& cause) const {
  OpenError::Facts facts{
      .who = who(name_), .cause = cause, .status = EIO, .paths = {}, .key = "type", .place = config_.place};
  for (std::size_t i = 0; i < values_.size(); ++i)
    if (const ashlar_value& value = *values_.data()[i]; value.type != ASHLAR_PARAM_SECRET)
      if (value.text != nullptr && *value.text == '/') facts.paths.emplace_back(value.text);
  return OpenError(std::move(facts));
}

}  // namespace ashlar::host
