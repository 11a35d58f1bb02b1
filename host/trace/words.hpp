// Words for what a trace holds, as the filter log has them, and what people write of times and ranges.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "format/record.hpp"

namespace ashlar::host::traces {

// "fua,may_trim"; "-": none.
std::string flags_text(Flags flags);
// "ok", "EIO"; the number of an error without a name.
std::string result_text(std::int32_t result);
// 16 hexadecimal digits: a text, as readers of JSON and tables keep 53 bits of a number.
std::string run_text(std::uint64_t run);
// "read"; nullopt: none of the seven.
std::optional<Op> op_called(std::string_view name);
// "2026-11-26T22:48:03.123456Z", of nanoseconds of CLOCK_REALTIME.
std::string calendar_text(std::int64_t realtime);

// "50ms", "1.5s", "10us", "300ns" as nanoseconds; nullopt: it is not one.
std::optional<std::uint64_t> parse_duration(std::string_view text);
// "1M..2M" as bytes, the end excluded; either may be left out. nullopt: it is not one.
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_range(std::string_view text);
// "1.234 ms", with the unit that fits.
std::string duration_text(double nanoseconds);

}  // namespace ashlar::host::traces
