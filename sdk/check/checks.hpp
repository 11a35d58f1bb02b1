// The checks, in the order they are run. Each reports a line per promise.
#pragma once
#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/model_disk.hpp>
#include <string>

#include "report.hpp"

namespace ashlar::check {

// What is checked: a module, with the parameters it is to be used with.
struct Subject {
  const std::string file;
  const ashlar_module& module;
  ashlar_entry_fn entry;
  const testing::Given given;
  const bool may_write;  // a plugin's data may be overwritten
};

// The file: what it exports. Before it is loaded.
void check_file(Report& report, const std::string& file);

// The table: sane, and the same each time. False when nothing can be done with it.
bool check_table(Report& report, const Subject& subject);

// A layer and its devices: created and opened, many times, and what they say of themselves.
void check_life(Report& report, const Subject& subject);

// Requests against a model of the device, as far as it offers them.
void check_data(Report& report, const Subject& subject);

// Reads that bring no memory.
void check_lend_only(Report& report, const Subject& subject);

// Filters: what they do to the layer below.
void check_layer_below(Report& report, const Subject& subject);

// Reads what `io` was lent as the host does: into memory that starts on a page, which direct I/O needs. Throws Broken.
std::vector<std::byte> read_lent(const Io& io);

// A layer of the subject, opened: a plugin by itself, a filter over a model disk that is full of bytes.
class Opened {
 public:
  explicit Opened(const Subject& subject, Geometry below = usual_below())
      : disk(below.size), layer(subject.module, host, subject.given) {
    disk.geometry() = below;
    disk.fill();
    filter_ = subject.module.kind == ASHLAR_FILTER;
    device = open(!filter_ && !subject.may_write);
  }
  std::unique_ptr<testing::TestDevice> open(bool read_only = false) {
    return filter_ ? layer.open_over(disk, read_only) : layer.open(read_only);
  }
  bool may_write(const Subject& subject) const {
    return (filter_ || subject.may_write) && !device->geometry().read_only && device->geometry().ops.has(Op::write);
  }

  static Geometry usual_below() {
    Geometry g;
    g.size = (1 << 20) + 512;
    g.flags = Flag::promises | Flag::nowait | Flag::may_hole;
    g.multi_conn = true;
    return g;
  }

  testing::FakeHost host;
  testing::ModelDisk disk;
  testing::TestLayer layer;
  std::unique_ptr<testing::TestDevice> device;

 private:
  bool filter_ = false;
};

}  // namespace ashlar::check
