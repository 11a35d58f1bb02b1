// A template: its exports are made when they are asked for, kept while they are of use, and counted.
#include "chain/template.hpp"

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using Lines = std::vector<std::string>;

std::vector<const char*> names_listed;

std::int32_t list(void*, const ashlar_exports_sink* sink, ashlar_error* error) noexcept {
  for (const char* const one : names_listed)
    if (sink->add(sink->self, one, nullptr) != 0) return 0;
  std::snprintf(error->text, error->capacity, "nothing is there");
  return names_listed.empty() ? ENOENT : 0;
}
constexpr ashlar_exports exports_table{sizeof(ashlar_exports), 0, &list};

const void* template_extension(const char* id) noexcept {
  return std::strcmp(id, ASHLAR_EXPORTS_ID) == 0 ? &exports_table : nullptr;
}

struct Disks {
  Journal journal;
  FakeModule plugin{ModuleKind::plugin, "disk"};
  std::unique_ptr<FakeExport> made;

  explicit Disks(bool lists = false) {
    names_listed = {"a", "b"};
    plugin.journal = &journal;
    if (lists) plugin.set_extension(&template_extension);
    serve();
  }
  void serve(FakeExport::Settings settings = {.name = "images/*", .at = "*"}) {
    made = std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin}, settings);
  }
  Template& of() { return *(*made)->as_template(); }
  // As a client does that comes and goes.
  void use(const std::string& name) {
    const auto exported = of().make(name);
    REQUIRE(exported != nullptr);
    const Account one(*exported->accounts(), {});
  }
};

}  // namespace

TEST_CASE("template: nothing is created before a client comes, but the plugin, if it can list") {
  Disks disks;
  CHECK(disks.journal.take().empty());
  CHECK((*disks.made)->layers().empty());
  const auto exported = disks.of().make("images/a");
  CHECK(exported->name() == "images/a");
  CHECK(exported->of_template() == "images/*");
  CHECK(disks.journal.take().empty());
  exported->open();
  CHECK(disks.journal.take() ==
        Lines{"create disk", "open disk", "describe disk", "close disk", "open disk", "describe disk", "close disk"});
  Disks lister(true);
  CHECK(lister.journal.take() == Lines{"create disk"});
}

TEST_CASE("template: of one name there is one export, which has the name in the place of the star") {
  Disks disks;
  const auto a = disks.of().make("images/a");
  CHECK(disks.of().make("images/a") == a);
  CHECK(disks.of().make("images/b") != a);
  for (const char* const other : {"a", "images/", "images/..", "images/a/b", "images/*"})
    CHECK(disks.of().make(other) == nullptr);
  a->open();
  CHECK(a->layers()[0]->values().data()[1]->text == std::string("a"));
}

TEST_CASE("template: without the star in a parameter it is a mistake") {
  Disks disks;
  CHECK_THROWS_WITH(disks.serve({.name = "images/*", .at = "a"}),
                    ContainsSubstring("no parameter of its layers has the *"));
}

TEST_CASE("template: what it lists are whole names; that it cannot be listed is found when it is made") {
  Disks disks(true);
  std::string listed;
  for (const ListedExport& one : disks.of().list(100).exports) listed += one.name + " ";
  CHECK(listed == "images/a images/b ");
  CHECK(disks.of().list(1).is_cut);
  names_listed = {};
  CHECK_THROWS_WITH(disks.serve(), ContainsSubstring("nothing is there"));
  disks.serve({.optional = true, .name = "images/*", .at = "*"});
  CHECK_THROWS_AS(disks.of().list(1), OpenError);
  names_listed = {"c"};
  CHECK(disks.of().list(1).exports.size() == 1);
}

TEST_CASE("template: exports that nobody has opened are not kept, and of those that nobody has open some are") {
  constexpr std::size_t many = 3 * Template::most_unused;
  Disks disks;
  disks.of().make("images/never");
  for (std::size_t i = 0; i < many; ++i) disks.use("images/" + std::to_string(i));
  CHECK(disks.of().find("images/never") == nullptr);
  CHECK(disks.of().find("images/0") == nullptr);
  CHECK(disks.of().find("images/" + std::to_string(many - 1)) != nullptr);
  CHECK(disks.of().exports().size() >= Template::most_unused);
  CHECK(disks.of().exports().size() <= 2 * Template::most_unused);
  std::uint64_t all = (*disks.made)->accounts()->connections_so_far();
  disks.of().each([&](Export& one) { all += one.accounts()->connections_so_far(); });
  CHECK(all == many);
}

TEST_CASE("template: an export that a client has stays, however many others come") {
  Disks disks;
  const auto held = disks.of().make("images/held");
  for (std::size_t i = 0; i < 3 * Template::most_unused; ++i) disks.use("images/" + std::to_string(i));
  CHECK(disks.of().find("images/held") == held);
}

TEST_CASE("template: one that takes its place goes on with the counts and the places of its exports") {
  Disks disks;
  const auto before = disks.of().make("images/a");
  const Account client(*before->accounts(), {});
  const auto changed = disks.made->after([](ExportConfig& own) { own.zero_emulation = true; });
  (*disks.made)->retire(true);
  CHECK(before->retired());
  CHECK(before->clients_are_to_leave());
  CHECK(disks.of().make("images/a") == nullptr);
  const auto now = changed->as_template()->make("images/a");
  REQUIRE(now != nullptr);
  CHECK(now != before);
  CHECK_FALSE(now->retired());
  CHECK(now->accounts() == before->accounts());
  CHECK(&now->write_places() == &before->write_places());
}

TEST_CASE("template: one of the same layers shares those of its exports") {
  Disks disks;
  const auto before = disks.of().make("images/a");
  before->open();
  ExportConfig own = (*disks.made)->config().exports.front();
  own.description = "other words";
  const Export changed((*disks.made)->config(), own, *disks.made->operator->());
  disks.journal.take();
  const auto now = changed.as_template()->make("images/a");
  CHECK(now->description() == "other words");
  CHECK(now->layers().data() == before->layers().data());
  CHECK(disks.journal.take().empty());
}

}  // namespace ashlar::host
