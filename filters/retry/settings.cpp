#include "settings.hpp"

#include <algorithm>
#include <ashlar/rules/duration.hpp>
#include <iterator>

using namespace ashlar;

namespace {

// In the order of error_names.
constexpr int error_numbers[] = {EIO,      ETIMEDOUT,   ECONNRESET, ECONNREFUSED, ECONNABORTED, EPIPE,  ENOTCONN,
                                 ENETDOWN, ENETUNREACH, EHOSTDOWN,  EHOSTUNREACH, ESHUTDOWN,    ESTALE, ENODEV,
                                 ENXIO,    EBUSY,       ENOMEM,     ENOSPC,       EDQUOT};
static_assert(std::size(error_numbers) + 1 == std::size(error_names));
// Without `errors`: up to ESTALE, those of a disk or a network that may come back.
constexpr std::size_t usual_errors = 13;

std::chrono::nanoseconds duration(const Params& params, const char* name) {
  const std::string text(params.text(name));
  const auto found = rules::parse_duration(text);
  if (!found || *found > std::chrono::hours(1))
    throw BadParameter(name,
                       std::string(name) + " = \"" + text + "\" is no time of up to 3600s; write \"100ms\" or \"2s\"");
  return *found;
}

}  // namespace

Settings::Settings(const Params& params)
    : times(static_cast<std::uint64_t>(params.integer("times"))),
      delay(duration(params, "delay")),
      max_delay(duration(params, "max_delay")),
      reopen(params.boolean("reopen")) {
  if (max_delay < delay) throw BadParameter("max_delay", "max_delay is less than delay");
  if (!params.has("errors")) errors.assign(error_numbers, error_numbers + usual_errors);
  else if (params.list("errors").empty()) throw BadParameter("errors", "errors has no error in it");
  for (const ashlar_value* value : params.list("errors")) {
    const int error = error_numbers[value->number];
    if (std::ranges::find(errors, error) != errors.end())
      throw BadParameter("errors", std::string("errors has ") + error_names[value->number] + " twice");
    errors.push_back(error);
  }
}

bool Settings::worth_trying_again(Status s) const { return std::ranges::find(errors, s.code()) != errors.end(); }

std::chrono::nanoseconds Settings::delay_before(std::uint64_t n) const {
  std::chrono::nanoseconds d = delay;
  while (--n != 0 && d < max_delay) d *= 2;
  return std::min(d, max_delay);
}
