#include "settings.hpp"

#include <ashlar/rules/duration.hpp>
#include <ashlar/rules/size.hpp>
#include <ashlar/rules/text.hpp>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace ashlar::trace {
namespace {

void add_trigger(Settings& settings, std::string_view text) {
  constexpr std::string_view slower = "slower ";
  if (text == "error") {
    settings.on_error = true;
  } else if (text == "signal") {
    settings.on_signal = true;
  } else if (const auto time =
                 text.starts_with(slower) ? rules::parse_duration(text.substr(slower.size())) : std::nullopt) {
    if (settings.slower) throw BadParameter("trigger", "trigger: slower stands there twice; write one time");
    if (time->count() == 0)
      throw BadParameter("trigger",
                         "trigger: " + rules::in_quotes(text) +
                             " is each request; write a time that few of them take, such as \"slower 50ms\"");
    settings.slower = static_cast<std::uint64_t>(time->count());
  } else {
    throw BadParameter("trigger", "trigger: " + rules::in_quotes(text) +
                                      R"( is none; write "slower 50ms" (or ns, us, s, m, h), "error" or "signal")");
  }
}

// Behind a symbolic link: what is renamed is the file, on its disk, and not the link.
std::string real_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  const auto real = std::filesystem::canonical(path, error);
  return error ? path : real.string();
}

void refuse_small(const char* name, std::uint64_t size) {
  if (size == 0 || size >= FileWriter::least_max_size) return;
  throw BadParameter(name, std::string(name) + " = " + rules::size_text(static_cast<std::int64_t>(size)) +
                               " is too small; write 0, or " +
                               rules::size_text(static_cast<std::int64_t>(FileWriter::least_max_size)) + " or more");
}

void refuse_ring(const Settings& s) {
  if (s.append) throw BadParameter("append", "append goes without ring: each trigger has a file of its own");
  if (s.max_size != 0 && s.ring > s.max_size)
    throw BadParameter("ring",
                       "ring = " + rules::size_text(static_cast<std::int64_t>(s.ring)) +
                           " is more than max_size = " + rules::size_text(static_cast<std::int64_t>(s.max_size)) +
                           ", which all files of it may have together; make one smaller or the other larger");
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
  if (s.ring == 0) s.path = real_file(s.path);
  refuse_small("max_size", s.max_size);
  refuse_small("ring", s.ring);
  if (s.tag.empty()) throw BadParameter("tag", "tag is empty: nobody could ask for it; leave it out, or write a name");
  if (s.ring != 0) refuse_ring(s);
  for (const ashlar_value* item : params.list("trigger")) add_trigger(s, item->text);
  // A config may keep its triggers for the day when it has a ring again.
  if (s.ring == 0 && params.has("trigger")) {
    create.host.log(Level::warn, "trigger does nothing without ring, such as ring = \"64M\": all is written anyway");
    s.slower.reset();
    s.on_error = s.on_signal = false;
  }
  s.refuse_unfit();
  return s;
}

void Settings::refuse_unfit() const {
  const std::string why = unfit(file(), file_options(0));
  if (!why.empty()) throw BadParameter("path", "path: " + why);
}

}  // namespace ashlar::trace
