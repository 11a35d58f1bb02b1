// A module's table: one lie per test row.
#include "module/table.hpp"

#include <functional>
#include <limits>
#include <vector>

#include "catch.hpp"

using namespace ashlar::host;

namespace {

std::int32_t create(const ashlar_create*, ashlar_layer*, ashlar_error*) noexcept { return 0; }
void destroy(void*) noexcept {}
std::int32_t open(void*, const ashlar_open*, ashlar_device*, ashlar_error*) noexcept { return 0; }

ashlar_param row(std::uint32_t type, const char* name) {
  return {sizeof(ashlar_param), type, name, "help", nullptr, 0, 0, 0, 100, nullptr};
}

// A table without faults, for a test to spoil.
struct Table {
  const char* choices[4] = {"a", "b", nullptr, nullptr};
  std::vector<ashlar_param> rows{row(ASHLAR_PARAM_INT, "count"), row(ASHLAR_PARAM_SIZE, "size"),
                                 row(ASHLAR_PARAM_CHOICE, "mode"), row(ASHLAR_PARAM_BOOL, "direct")};
  std::vector<const ashlar_param*> pointers;
  ashlar_module module{};

  Table() {
    rows[0].default_text = "100";
    rows[1].default_text = "0K";
    rows[2].default_text = "b";
    rows[2].choices = choices;
    rows[3].default_text = "true";
    for (const ashlar_param& r : rows) pointers.push_back(&r);
    module = {sizeof module,   ASHLAR_ABI_MAJOR, 0,        ASHLAR_PLUGIN, "brick", "1", "", ASHLAR_SERIAL, 4,
              pointers.data(), &create,          &destroy, &open,         nullptr};
  }
};

std::string fault_after(const std::function<void(Table&)>& spoil) {
  Table table;
  spoil(table);
  return fault_in_table(table.module, "brick");
}

}  // namespace

TEST_CASE("a table without faults") {
  CHECK(fault_after([](Table&) {}).empty());
  CHECK(fault_after([](Table& t) {
          t.module.n_params = 0;
          t.module.params = nullptr;
        }).empty());
}

TEST_CASE("faults of the module") {
  CHECK(fault_after([](Table& t) { t.module.kind = 3; }) == "its kind is 3, neither plugin nor filter");
  CHECK(fault_after([](Table& t) { t.module.name = nullptr; }) == "it has no name");
  CHECK(fault_after([](Table& t) { t.module.name = ""; }) == "it has no name");
  CHECK(fault_after([](Table& t) { t.module.name = "stone"; }) ==
        "it calls itself \"stone\", but its file \"brick.so\"");
  CHECK(fault_after([](Table& t) { t.module.version = nullptr; }) == "it has no version");
  CHECK(fault_after([](Table& t) { t.module.summary = nullptr; }) == "it has no summary");
  CHECK(fault_after([](Table& t) { t.module.threads = 2; }) == "its threads are 2, neither serial nor parallel");
  CHECK(fault_after([](Table& t) { t.module.create = nullptr; }) == "it has no create function");
  CHECK(fault_after([](Table& t) { t.module.destroy = nullptr; }) == "it has no destroy function");
  CHECK(fault_after([](Table& t) { t.module.open = nullptr; }) == "it has no open function");
}

TEST_CASE("faults of the parameter table") {
  CHECK(fault_after([](Table& t) { t.module.n_params = 257; }) == "its table has more than 256 parameters");
  CHECK(fault_after([](Table& t) { t.module.params = nullptr; }) == "its table counts parameters, but has none");
  CHECK(fault_after([](Table& t) { t.pointers[1] = nullptr; }) == "parameter 2 is null");
  CHECK(fault_after([](Table& t) { t.rows[1].struct_size = 8; }) == "parameter 2 is shorter than this ABI's");
  CHECK(fault_after([](Table& t) { t.rows[1].name = nullptr; }) == "parameter 2 has no name");
  CHECK(fault_after([](Table& t) { t.rows[1].name = ""; }) == "parameter 2 has no name");
  CHECK(fault_after([](Table& t) { t.rows[1].name = "count"; }) == "parameter \"count\" is in the table twice");
  CHECK(fault_after([](Table& t) { t.rows[1].name = "type"; }) ==
        "parameter \"type\" has the name of the key that names the module");
  CHECK(fault_after([](Table& t) { t.rows[1].help = nullptr; }) == "parameter \"size\" has no help");
  CHECK(fault_after([](Table& t) { t.rows[1].type = 8; }) == "parameter \"size\" is of the unknown type 8");
}

TEST_CASE("faults of ranges and choices") {
  CHECK(fault_after([](Table& t) { t.rows[0].minimum = 101; }) ==
        "parameter \"count\" has a minimum above its maximum");
  CHECK(fault_after([](Table& t) { t.rows[1].minimum = -1; }) == "parameter \"size\" is a size with a minimum below 0");
  CHECK(fault_after([](Table& t) { t.rows[2].choices = nullptr; }) == "parameter \"mode\" is a choice without choices");
  CHECK(fault_after([](Table& t) { t.choices[0] = nullptr; }) == "parameter \"mode\" is a choice without choices");
  CHECK(fault_after([](Table& t) { t.choices[1] = "a"; }) == "parameter \"mode\" has the choice \"a\" twice");
  CHECK(fault_after([](Table& t) { t.rows[0].choices = t.choices; }) ==
        "parameter \"count\" has choices, but is no choice");
}

TEST_CASE("faults of lists") {
  const auto list = [](Table& t, std::size_t index) {
    t.rows[index].item = t.rows[index].type;
    t.rows[index].type = ASHLAR_PARAM_LIST;
    t.rows[index].default_text = nullptr;
  };
  CHECK(fault_after([&](Table& t) {
          for (std::size_t i = 0; i < t.rows.size(); ++i) list(t, i);
        }).empty());
  CHECK(fault_after([&](Table& t) {
          list(t, 0);
          t.rows[0].default_text = "1";
        }) == "parameter \"count\" is a list with a default");
  CHECK(fault_after([&](Table& t) {
          list(t, 0);
          t.rows[0].item = ASHLAR_PARAM_LIST;
        }) == "parameter \"count\" is a list of lists");
  CHECK(fault_after([&](Table& t) {
          list(t, 0);
          t.rows[0].item = 8;
        }) == "parameter \"count\" is a list of the unknown type 8");
  CHECK(fault_after([&](Table& t) { t.rows[0].item = ASHLAR_PARAM_SIZE; }) ==
        "parameter \"count\" has items of the type 4, but is no list");
  CHECK(fault_after([&](Table& t) {
          list(t, 0);
          t.rows[0].minimum = 101;
        }) == "parameter \"count\" has a minimum above its maximum");
  CHECK(fault_after([&](Table& t) {
          list(t, 2);
          t.rows[2].choices = nullptr;
        }) == "parameter \"mode\" is a choice without choices");
}

TEST_CASE("a secret has no default, which everybody could read") {
  const auto secret = [](const char* text) {
    return fault_after([=](Table& t) {
      t.rows[0].type = ASHLAR_PARAM_SECRET;
      t.rows[0].default_text = text;
    });
  };
  CHECK(secret(nullptr).empty());
  CHECK(secret("usual") == "parameter \"count\" is a secret with a default");
}

TEST_CASE("faults of defaults") {
  const auto with_default = [](std::size_t index, const char* text) {
    return fault_after([=](Table& t) { t.rows[index].default_text = text; });
  };
  CHECK(with_default(0, "101") == "parameter \"count\" has a bad default: 101 is out of range; give 0..100");
  CHECK(with_default(0, "ten") == "parameter \"count\" has a bad default: \"ten\" is no integer; write a whole number");
  CHECK(with_default(0, "1 ") != "");
  CHECK(with_default(1, "1K") == "parameter \"size\" has a bad default: 1024 is out of range; give 0..100");
  CHECK(with_default(1, "1X") != "");
  CHECK(with_default(2, "c") == "parameter \"mode\" has a bad default: \"c\" is not one of the choices; give a|b");
  CHECK(with_default(3, "yes") != "");
  CHECK(fault_after([](Table& t) { t.rows[0].required = 1; }) == "parameter \"count\" is required, but has a default");
  CHECK(fault_after([](Table& t) {
          t.rows[0].type = ASHLAR_PARAM_PATH;
          t.rows[0].default_text = "";
        }) == "parameter \"count\" has a bad default: is an empty path; name a file");
}
