#include "chain/layer.hpp"

#include "chain/error_text.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

std::string log_name(const ExportConfig& in, const ashlar_module& module) {
  return (in.name.empty() ? "(default)" : in.name) + "/" + module.name;
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
      log_(logger, log_name(in, library_->module())) {}

Layer::~Layer() {
  if (created_) {
    const Inside inside(activity_, name_, Call::destroy);
    library_->module().destroy(instance_);
  }
  const Inside inside(activity_, name_, Call::unload);  // nobody else may have it in use
  library_.reset();
}

void Layer::create() {
  activity_.check();
  ErrorText refusal;
  const Inside inside(activity_, name_, Call::create);
  if (const std::int32_t status =
          library_->module().create(&log_.services(), values_.data(), &instance_, refusal.receiver()))
    throw refused(status, refusal.cause(status));
  created_ = true;
}

OpenError Layer::refused(std::int32_t status, const std::string& cause) const {
  OpenError::Facts facts{
      .who = who(name_), .cause = cause, .status = status, .paths = {}, .key = "type", .place = config_.place};
  for (std::size_t i = 0; i < values_.size(); ++i)
    if (const char* text = values_.data()[i].text; text != nullptr && *text == '/') facts.paths.emplace_back(text);
  for (const ConfigParameter& parameter : config_.parameters) {
    const auto* text = std::get_if<std::string>(&parameter.value);
    if (text == nullptr || text->empty() || cause.find(*text) == std::string::npos) continue;
    facts.key = parameter.key;
    facts.place = parameter.value_place;
    break;
  }
  return OpenError(std::move(facts));
}

}  // namespace ashlar::host
