// Report: of a trace that is being written while it is read.
#include "trace/report.hpp"

#include "catch.hpp"
#include "written.hpp"

using namespace ashlar;
using namespace ashlar::trace;

namespace {

// Cuts the file off once its records have been read, as a server does that uses a segment again.
struct Cutting : Listener {
  explicit Cutting(std::string of) : path(std::move(of)) {}
  void read(std::uint64_t) override { std::filesystem::resize_file(path, sizeof(SegmentHeader)); }
  const std::string path;
};

}  // namespace

TEST_CASE("A report goes on when the bytes of a record are gone") {
  const TempFolder folder;
  const std::string path = (folder.path() / "disk.trace").string();
  Written w(path, {.data = true, .run = 1});
  const std::vector<std::byte> data(4096);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    RecordEntry e = entry(id, id, id + 1);
    e.payload = static_cast<std::uint8_t>(PayloadKind::data);
    w.add(e, data);
  }
  w.writer.end();
  for (const bool cut : {false, true}) {
    Listener nobody;
    Cutting cutting(path);
    TraceReader reader({path}, cut ? static_cast<Listener&>(cutting) : nobody);
    const host::traces::Report report(reader);
    REQUIRE(report.places().size() == 1);
    CHECK(report.places()[0]->requests() == 3);
    CHECK(report.places()[0]->zeroes() == (cut ? 0 : 3 * data.size()));
    CHECK(report.places()[0]->unknown() == (cut ? 3 * data.size() : 0));
    CHECK(report.completeness().left_out == (cut ? 3 : 0));
  }
}
