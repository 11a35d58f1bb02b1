#include "trace/lines.hpp"

#include <boost/json/serialize.hpp>
#include <cinttypes>
#include <cstdio>

#include "cli/json.hpp"
#include "config/text.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

// The flags as a JSON array of their names.
std::string flags_json(Flags flags) {
  std::string text = "[";
  for (const auto& [flag, name] : Flag::names)
    if (flags.has(flag)) text += (text.size() == 1 ? "\"" : ",\"") + std::string(name) + "\"";
  return text + "]";
}

}  // namespace

const Lines::Names& Lines::names_of(const trace::Place& place) {
  const auto [at, added] = names_.try_emplace(&place);
  if (added)
    at->second = {one_line(place.exported) + " " + one_line(place.tag),
                  "\"export\":" + json::serialize(json_text(place.exported)) +
                      ",\"place\":" + json::serialize(json_text(place.tag))};
  return at->second;
}

const std::string& Lines::text(const trace::Record& r) {
  const auto us = [](std::uint64_t from, std::uint64_t to) { return to > from ? (to - from) / 1000 : 0; };
  char numbers[256];
  line_ = calendar_text(static_cast<std::int64_t>(r.start) + r.place->to_realtime);
  line_ += " " + names_of(*r.place).text;
  std::snprintf(numbers, sizeof numbers, " #%" PRIu64 " %s offset=%" PRIu64 " length=%" PRIu64 " flags=", r.connection,
                name(r.op), r.offset, r.length);
  line_ += numbers + flags_text(r.flags) + " result=" + result_text(r.result);
  std::snprintf(numbers, sizeof numbers, " us=%" PRIu64 " depth=%" PRIu32 " id=%" PRIu64, us(r.start, r.done), r.depth,
                r.id);
  line_ += numbers;
  if (r.sent != 0) line_ += " replied_us=" + std::to_string(us(r.start, r.sent));
  return line_;
}

const std::string& Lines::json(const trace::Record& r) {
  char numbers[256];
  std::snprintf(numbers, sizeof numbers, "{\"id\":%" PRIu64 ",\"connection\":%" PRIu64 ",", r.id, r.connection);
  line_ = numbers + names_of(*r.place).json + ",\"op\":\"" + name(r.op) + "\",\"flags\":" + flags_json(r.flags);
  std::snprintf(numbers, sizeof numbers,
                ",\"offset\":%" PRIu64 ",\"length\":%" PRIu64 ",\"start\":%" PRIu64 ",\"done\":%" PRIu64 ",\"sent\":",
                r.offset, r.length, r.start, r.done);
  line_ += numbers;
  line_ += r.sent != 0 ? std::to_string(r.sent) : "null";
  line_ += ",\"result\":\"" + result_text(r.result) + "\",\"depth\":" + std::to_string(r.depth) + ",\"run\":\"" +
           run_text(r.run) + "\"}";
  return line_;
}

}  // namespace ashlar::host::traces
