#include "chain/services.hpp"

#include <string_view>

#include "chain/blocking.hpp"
#include "chain/wait.hpp"

namespace ashlar::host {

Services::Services(const std::shared_ptr<spdlog::logger>& logger, std::string who, std::vector<std::string> secrets)
    : log_(logger, std::move(who), std::move(secrets)), table_{sizeof(ashlar_host),
                                                               ASHLAR_ABI_MINOR,
                                                               this,
                                                               &Services::log_enabled,
                                                               &Services::write_log,
                                                               &Services::extension} {}

std::int32_t Services::log_enabled(void* self, std::uint32_t level) noexcept {
  return static_cast<Services*>(self)->log_.enabled(level) ? 1 : 0;
}

void Services::write_log(void* self, std::uint32_t level, const char* text, std::size_t text_length) noexcept {
  if (text != nullptr) static_cast<Services*>(self)->log_.write(level, {text, text_length});
}

const void* Services::extension(void* self, const char* id) noexcept {
  const auto& here = *static_cast<const Services*>(self);
  const std::string_view asked(id);
  if (asked == ASHLAR_WAIT_ID) return &wait_services();
  if (asked == ASHLAR_BLOCKING_ID) return &blocking_services();
  if (asked == ASHLAR_METRICS_ID) return &here.metrics_.table();
  if (asked == ASHLAR_CONTROL_ID) return &here.verbs_.table();
  return nullptr;
}

}  // namespace ashlar::host
