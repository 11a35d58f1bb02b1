// Which format of the figures a client asks for.
#pragma once
#include <string_view>

#include "metrics/exposition.hpp"

namespace ashlar::host {

// What one gets whose request has `accept` in its header Accept: OpenMetrics, if it is named there and no less liked
// than plain text, else Prometheus's format, whatever is asked for. (RFC 9110, 12.5.1; OpenMetrics 1.0, "Protocol
// Negotiation")
Exposition::Format format_for(std::string_view accept);

}  // namespace ashlar::host
