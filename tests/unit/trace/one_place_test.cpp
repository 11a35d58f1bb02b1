// OnePlace: a trace that is begun anew between the two times that it is read.
#include "trace/one_place.hpp"

#include "catch.hpp"
#include "written.hpp"

using namespace ashlar;
using namespace ashlar::trace;

namespace {

void write(const std::string& path, std::uint64_t run) {
  Written w(path, {.run = run});
  for (std::uint64_t id = 1; id <= 3; ++id) w.add(entry(id, id, id + 1));
  w.writer.end();
}

// Begins the file anew once its records have been read.
struct Beginning : Listener {
  explicit Beginning(std::string of) : path(std::move(of)) {}
  void read(std::uint64_t bytes) override {
    if (bytes != 0 && !std::exchange(begun, true)) write(path, 2);
  }
  const std::string path;
  bool begun = false;
};

}  // namespace

TEST_CASE("What is to be done again is of one trace, also when it is begun anew while it is read") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  const std::string why = path + ": it was written over while it was read";
  const auto read = [&path](host::traces::OnePlace& place) {
    Record record;
    std::size_t records = 0;
    while (place.next(record)) ++records;
    return records;
  };
  write(path, 1);
  {
    Listener nobody;
    host::traces::OnePlace place(path, "", nobody);
    CHECK(read(place) == 3);
  }
  {
    Beginning beginning(path);
    CHECK_THROWS_WITH(host::traces::OnePlace(path, "", beginning), why);
  }
  {
    Listener nobody;
    host::traces::OnePlace place(path, "", nobody);
    write(path, 3);
    CHECK_THROWS_WITH(read(place), why);
  }
}
