// Optional abilities of a module: what it probes, what it lists, what it says of itself.
#include <fcntl.h>
#include <unistd.h>

#include <ashlar/rules/extension.hpp>
#include <ashlar/rules/text.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "checks.hpp"
#include "error_room.hpp"
#include "model.hpp"

namespace ashlar::check {
namespace {

namespace fs = std::filesystem;

const void* ability(const Subject& s, const char* id) {
  const void* found = rules::extension_of(s.module, id);
  if (found == nullptr) throw NotMade{"it has none"};
  return found;
}

// A folder of its own with a file in it, gone when it goes out of scope.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "ashlar-check-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw NotMade{"there is no folder for a file to probe"};
    folder_ = pattern;
    Random random(1);
    bytes_ = some_bytes(random, 1 << 20);
    std::ofstream(file(), std::ios::binary).write(reinterpret_cast<const char*>(bytes_.data()), 1 << 20);
  }
  ~Scratch() {
    std::error_code error;
    fs::remove_all(folder_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string file() const { return (folder_ / "disk.img").string(); }
  void must_be_as_before() const {
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.path() != file()) throw Broken{"probe left " + entry.path().filename().string() + " beside the file"};
    Bytes now(bytes_.size() + 1);
    std::ifstream in(file(), std::ios::binary);
    in.read(reinterpret_cast<char*>(now.data()), static_cast<std::streamsize>(now.size()));
    now.resize(static_cast<std::size_t>(in.gcount()));
    require(now == bytes_, "probe changed the file");
  }

 private:
  fs::path folder_;
  Bytes bytes_;
};

// `most`: how many texts are wanted; 0: all.
struct Rows {
  int most = 0;
  int kinds = 0, rows = 0;
  std::string fault = {};

  std::int32_t enough() {
    if (most != 0 && kinds + rows > most) fault = "it tells more when no more is wanted";
    return most != 0 && kinds + rows >= most ? 1 : 0;
  }

  static std::int32_t kind(void* self, const char* kind) noexcept {
    auto& rows = *static_cast<Rows*>(self);
    if (++rows.kinds > 1 || rows.rows != 0) rows.fault = "it tells what it found more than once, or not first";
    if (kind == nullptr) rows.fault = "what it found has no name";
    return rows.enough();
  }
  static std::int32_t row(void* self, const char* name, std::uint32_t supported, const char* note) noexcept {
    auto& rows = *static_cast<Rows*>(self);
    ++rows.rows;
    if (name == nullptr || note == nullptr) rows.fault = "a row lacks a text";
    if (supported > ASHLAR_PROBE_UNKNOWN) rows.fault = "a row says neither yes nor no nor that it is not known";
    return rows.enough();
  }
};

void check_probe(const Subject& s) {
  const auto& probe = *static_cast<const ashlar_probe*>(ability(s, ASHLAR_PROBE_ID));
  require(rules::is_usable(probe), "its table is wrong");
  const Scratch scratch;
  const auto ask = [&](const std::string& path, std::uint32_t flags, int most) {
    Rows rows{.most = most};
    const ashlar_probe_sink sink{&rows, &Rows::kind, &Rows::row};
    ErrorRoom error(256);
    s.watch.begin("probe");
    const std::int32_t status = probe.probe(path.c_str(), flags, &sink, error.get());
    s.watch.end();
    if (status != 0) static_cast<void>(error.refused(s.module, "probe", status));
    else error.look("probe");
    require(rows.fault.empty(), rows.fault);
    scratch.must_be_as_before();
  };
  for (const std::uint32_t flags : {ASHLAR_PROBE_ONLY_ASK, 0u}) {
    for (const int most : {0, 1, 2}) ask(scratch.file(), flags, most);
    ask(scratch.file() + ".is.not.there", flags, 0);
    ask("", flags, 0);
  }
}

// The names that it lists; `most`: how many are wanted, 0: all.
struct Names {
  std::size_t most = 0;
  std::set<std::string> all = {};
  std::string fault = {};

  static std::int32_t add(void* self, const char* name, const char*) noexcept {
    auto& n = *static_cast<Names*>(self);
    if (n.most != 0 && n.all.size() >= n.most) n.fault = "it lists more when no more is wanted";
    else if (name == nullptr || *name == '\0') n.fault = "it lists an export without a name";
    else if (*name == '.' || std::strchr(name, '/') != nullptr)
      n.fault = "it lists " + rules::in_quotes(name) + ", which stands for no '*'";
    else if (!n.all.insert(name).second) n.fault = std::string("it lists ") + name + " twice";
    return n.most != 0 && n.all.size() >= n.most ? 1 : 0;
  }
};

void check_exports(const Subject& s) {
  const auto& exports = *static_cast<const ashlar_exports*>(ability(s, ASHLAR_EXPORTS_ID));
  require(rules::is_usable(exports), "its table is wrong");
  Services services(s.options);
  const Layer layer(s.module, services, s.options.given, s.watch);
  for (const std::size_t most : {0, 1}) {
    Names names{.most = most};
    const ashlar_exports_sink sink{&names, &Names::add};
    ErrorRoom error(256);
    s.watch.begin("list");
    const std::int32_t status = exports.list(layer.self(), &sink, error.get());
    s.watch.end();
    if (status != 0) static_cast<void>(error.refused(s.module, "list", status));
    else error.look("list");
    require(names.fault.empty(), names.fault);
  }
}

void check_group(const Subject& s) {
  require(rules::is_usable(*static_cast<const ashlar_group*>(ability(s, ASHLAR_GROUP_ID))),
          "its table is wrong, or its name is none or has more than one line");
}

void check_connects(const Subject& s) {
  require(rules::is_usable(*static_cast<const ashlar_connects*>(ability(s, ASHLAR_CONNECTS_ID))), "its table is wrong");
}

}  // namespace

std::span<const Check> ability_checks() {
  static constexpr Check checks[] = {
      {"probe", "probes without changing anything", &check_probe},
      {"exports", "lists what it could serve", &check_exports},
      {"group", "says among which others it is listed", &check_group},
      {"connects", "says that it connects to others", &check_connects},
  };
  return checks;
}

}  // namespace ashlar::check
