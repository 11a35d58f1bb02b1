#include "chain/layer.hpp"

#include <algorithm>
#include <ashlar/rules/extension.hpp>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

std::string log_name(const ExportConfig& in, const ashlar_module& module) {
  return (in.name.empty() ? "(default)" : in.name) + "/" + module.name;
}

// Adds the absolute paths that `value` holds.
void add_paths(const ashlar_value& value, std::vector<std::string>& paths) {
  if (value.type == ASHLAR_PARAM_LIST)
    for (std::int64_t i = 0; i < value.number; ++i) add_paths(*value.items[i], paths);
  else if (value.type != ASHLAR_PARAM_SECRET && value.text != nullptr && *value.text == '/')
    paths.emplace_back(value.text);
}

// Each text, and what becomes of it in a line of the host or of the SDK.
std::vector<std::string> with_lines(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (std::string text : texts) {
    all.push_back(text);
    all.push_back(one_line(text));
    std::replace(text.begin(), text.end(), '\n', ' ');
    all.push_back(std::move(text));
  }
  return all;
}

}  // namespace

LayerName layer_name(const std::string& export_name, ModuleKind kind, const std::string& type) {
  return {export_name, std::string(name(kind)) + " " + in_quotes(type)};
}

std::string who(const LayerName& layer) { return "export " + in_quotes(layer.exported) + ": " + layer.layer; }

Layer::Layer(std::shared_ptr<const Library> library, const Config& config, const ExportConfig& in, LayerConfig layer,
             std::uint32_t place, bool implicit, const std::shared_ptr<spdlog::logger>& logger, Activity& activity)
    : library_(std::move(library)),
      activity_(activity),
      name_(activity.keep(layer_name(in.name, library_->kind(), library_->module().name))),
      config_(std::move(layer)),
      implicit_(implicit),
      values_(config, config_, library_->module()),
      secrets_(with_lines(values_.secrets())),
      services_(logger, log_name(in, library_->module()), secrets_),
      export_name_(in.name),
      create_{sizeof(ashlar_create), place, export_name_.c_str(), &services_.table(), values_.data()} {}

Layer::~Layer() {
  if (created_) {
    const Inside inside(activity_, *name_, Call::destroy);
    library_->module().destroy(layer_.self);
  }
  const Inside inside(activity_, *name_, Call::unload);  // nobody else may have it in use
  library_.reset();
}

void Layer::create() {
  activity_.check();
  ErrorText refusal;
  const Inside inside(activity_, *name_, Call::create, &activity_.stopping());
  const std::int32_t status = library_->module().create(&create_, &layer_, refusal.receiver());
  services_.verbs().close();
  if (status != 0) throw refused(status, refusal);
  created_ = true;
  if (layer_.reserved != 0) throw at_fault("its layer has something in a field that is reserved");
}

void Layer::begin_serving() {
  const auto* serving = static_cast<const ashlar_serving*>(library_->extension(ASHLAR_SERVING_ID));
  if (serving == nullptr) return;
  if (!rules::is_usable(*serving)) throw at_fault(std::string("its ") + ASHLAR_SERVING_ID + " is not whole");
  activity_.check();
  ErrorText refusal;
  const Inside inside(activity_, *name_, Call::begin, &activity_.stopping());
  if (const std::int32_t status = serving->begin(layer_.self, refusal.receiver())) throw refused(status, refusal);
}

OpenError Layer::refused(std::int32_t status, const ErrorText& why) const {
  OpenError::Facts facts = at_fault(without_secrets(why.cause(status))).facts();
  facts.status = status;
  const std::int32_t row = why.parameter();
  if (row < 0 || static_cast<std::size_t>(row) >= values_.size()) return OpenError(std::move(facts));
  facts.key = library_->module().params[row]->name;
  for (const TomlEntry& given : config_.parameters)
    if (given.key == facts.key) facts.place = given.node.place;
  return OpenError(std::move(facts));
}

OpenError Layer::at_fault(const std::string& cause) const {
  OpenError::Facts facts{.who = who(*name_),
                         .cause = cause,
                         .status = EIO,
                         .paths = {},
                         .is_of_plugin = library_->kind() == ModuleKind::plugin,
                         .key = "type",
                         .place = config_.place};
  for (std::size_t i = 0; i < values_.size(); ++i) add_paths(*values_.data()[i], facts.paths);
  return OpenError(std::move(facts));
}

}  // namespace ashlar::host
