#include "settings.hpp"

#include <ashlar/rules/size.hpp>
#include <ashlar/rules/text.hpp>
#include <charconv>
#include <cmath>
#include <string_view>

namespace ashlar::trace {
namespace {

// "50ms" in nanoseconds.
std::optional<std::uint64_t> duration_in(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const double scale = unit == "ns" ? 1 : unit == "us" ? 1e3 : unit == "ms" ? 1e6 : unit == "s" ? 1e9 : 0;
  if (scale == 0 || number * scale > 9e18) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(number * scale));
}

void add_trigger(Settings& settings, std::string_view text) {
  constexpr std::string_view slower = "slower ";
  if (text == "error") {
    settings.on_error = true;
  } else if (text == "signal") {
    settings.on_signal = true;
  } else if (const auto time = text.starts_with(slower) ? duration_in(text.substr(slower.size())) : std::nullopt) {
    settings.slower = std::min(*time, settings.slower.value_or(UINT64_MAX));
  } else {
    throw BadParameter("trigger", "trigger: " + rules::in_quotes(text) +
                                      R"( is none; write "slower 50ms" (or us, s), "error" or "signal")");
  }
}

void refuse_small(const char* name, std::uint64_t size) {
  if (size == 0 || size >= FileWriter::least_max_size) return;
  throw BadParameter(name, std::string(name) + " = " + rules::size_text(static_cast<std::int64_t>(size)) +
                               " is too small; write 0, or " +
                               rules::size_text(static_cast<std::int64_t>(FileWriter::least_max_size)) + " or more");
}

}  // namespace

Settings Settings::from(const Create& create) {
  const Params& params = create.params;
  Settings s;
  s.path = params.path("path");
  s.tag = params.has("tag") ? std::string(params.text("tag")) : std::to_string(create.place);
  s.topmost = create.place == 1;
  s.append = params.boolean("append");
  const std::string_view payload = params.choice("payload");
  s.payload = payload == "data" ? PayloadKind::data : payload == "hash" ? PayloadKind::hash : PayloadKind::none;
  s.max_size = params.size("max_size");
  s.wait = params.choice("when_full") == "wait";
  s.ring = params.size("ring");
  refuse_small("max_size", s.max_size);
  refuse_small("ring", s.ring);
  if (s.ring != 0 && s.append)
    throw BadParameter("append", "append goes without ring: each trigger has a file of its own");
  for (const ashlar_value* item : params.list("trigger")) add_trigger(s, item->text);
  if (s.ring == 0 && params.has("trigger")) throw BadParameter("trigger", "trigger needs ring, such as ring = \"64M\"");
  const std::string why = unfit(s.file(), s.file_options(0));
  if (!why.empty()) throw BadParameter("path", "path: " + why);
  return s;
}

}  // namespace ashlar::trace
