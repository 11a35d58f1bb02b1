// What a plugin lists that it could serve: names that could be none are dropped, and its failures are told.
#include "chain/listed_exports.hpp"

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

// What the plugin adds, and how it ends.
struct Listing {
  std::vector<std::pair<std::string, const char*>> names;
  std::int32_t status = 0;
  const char* text = "";
  void* layer = nullptr;  // that it was asked for
  int endless = 0;        // names that it adds until no more is wanted, at most so many
  int added = 0;
} listing;

std::int32_t list(void* layer, const ashlar_exports_sink* sink, ashlar_error* error) noexcept {
  listing.layer = layer;
  for (const auto& [name, description] : listing.names) sink->add(sink->self, name.c_str(), description);
  for (; listing.added < listing.endless; ++listing.added)
    if (sink->add(sink->self, std::to_string(listing.added).c_str(), nullptr) != 0) break;
  std::snprintf(error->text, error->capacity, "%s", listing.text);
  return listing.status;
}
constexpr ashlar_exports table{sizeof(ashlar_exports), 0, &list};

const void* extension(const char* id) noexcept { return std::strcmp(id, ASHLAR_EXPORTS_ID) == 0 ? &table : nullptr; }

struct Lister {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  std::unique_ptr<FakeExport> made;
  Lister() {
    listing = {};
    plugin.set_extension(&extension);
    made = std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin});
  }
  const Layer& layer() { return *(*made)->layers()[0]; }
  std::string listed() {
    std::string out;
    for (const ListedExport& one : listed_exports(layer(), (*made)->activity(), 100).exports)
      out += one.name + "(" + one.description + ") ";
    return out;
  }
};

}  // namespace

TEST_CASE("what a plugin lists is sorted, each name once, with its description") {
  Lister lister;
  listing.names = {{"b", "the second"}, {"a b", nullptr}, {"b", "again"}, {"\xc3\xbc", ""}};
  CHECK(lists_exports(lister.layer()));
  CHECK(lister.listed() == "a b() b(the second) \xc3\xbc() ");
  CHECK(listing.layer == lister.layer().instance());
  listing.names.clear();
  CHECK(lister.listed().empty());
}

TEST_CASE("names that no client could ask for are dropped, and descriptions made text") {
  Lister lister;
  const std::string longest(4096, 'x');
  listing.names = {
      {"", ""}, {".hidden", ""}, {"..", ""}, {"a/b", ""}, {"\xff", ""}, {longest + "x", ""}, {"a", "not \xff text"}};
  CHECK(lister.listed() == "a(not \xef\xbf\xbd text) ");
  listing.names = {{longest, ""}};
  CHECK(lister.listed() == longest + "() ");
}

TEST_CASE("a plugin that lists more than is wanted is told so, and what it has listed is kept") {
  Lister lister;
  listing.endless = 5;
  const auto listed = [&](std::size_t most) {
    return listed_exports(lister.layer(), (*lister.made)->activity(), most);
  };
  CHECK(listed(5).exports.size() == 5);
  CHECK_FALSE(listed(5).is_cut);
  listing.added = 0;
  CHECK(listed(4).exports.size() == 4);
  CHECK(listing.added == 4);
  listing.added = 0;
  CHECK(listed(4).is_cut);
}

TEST_CASE("names that take more than is allowed are counted and not kept") {
  Lister lister;
  listing.names = {{"a", "the first"}, {"b", nullptr}, {"c", nullptr}};
  const std::string longest(4096, 'x');
  listing.names[2].second = longest.c_str();
  const auto listed = [&](std::size_t most_bytes) {
    return listed_exports(lister.layer(), (*lister.made)->activity(), 100, most_bytes);
  };
  const std::size_t bytes = listed(std::numeric_limits<std::size_t>::max()).bytes;
  CHECK(bytes > longest.size() + 12);
  CHECK(listed(bytes).exports.size() == 3);
  CHECK(listed(bytes).bytes == bytes);
  for (const std::size_t less : {bytes - 1, bytes / 2, std::size_t{0}}) {
    CHECK(listed(less).exports.empty());
    CHECK(listed(less).bytes == bytes);
    CHECK_FALSE(listed(less).is_cut);
  }
}

TEST_CASE("a plugin that cannot list is told of") {
  Lister lister;
  listing.status = EACCES;
  listing.text = "the pool\nis closed";
  CHECK_THROWS_WITH(lister.listed(), R"(export "disk": plugin "disk": the pool\nis closed)");
  lister.plugin.set_extension(nullptr);
  CHECK_FALSE(lists_exports(lister.layer()));
  CHECK_THROWS_WITH(lister.listed(), EndsWith("it cannot list what it could serve"));
  static constexpr ashlar_exports cut_short{8, 0, &list}, reserved{sizeof reserved, 1, &list};
  lister.plugin.set_extension([](const char*) noexcept -> const void* { return &cut_short; });
  CHECK_FALSE(lists_exports(lister.layer()));
  lister.plugin.set_extension([](const char*) noexcept -> const void* { return &reserved; });
  CHECK_FALSE(lists_exports(lister.layer()));
}

}  // namespace ashlar::host
