// Reads that bring no memory: lent, told of as zeroes, or left alone.
#include <sys/mman.h>
#include <unistd.h>

#include <random>

#include "apart.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

using testing::ExtentList;
using testing::TestDevice;
using Bytes = std::vector<std::byte>;

// A file in memory with these contents, for the layer below a filter to lend from.
class Lent {
 public:
  explicit Lent(const Bytes& bytes) : fd_(::memfd_create("lent", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      throw NotMade{"no memory to lend from"};
  }
  ~Lent() { ::close(fd_); }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// One such read. What it lends or tells is what a read with memory gives.
void ask(const TestDevice& device, std::uint64_t offset, std::size_t n, Flags flags) {
  const std::string what = "read " + std::to_string(n) + "@" + std::to_string(offset);
  ExtentList list;
  Io io = Io::lend_only(offset, n, flags);
  if (flags.has(Flag::may_hole)) io.set_sink(&list);
  const Status status = device.process(io);
  if (status == Status::would_block()) return;
  require(status.ok(), what + " answered " + std::to_string(status.code()));
  Bytes got(n), wanted(n);
  if (io.lent()) {
    got = read_lent(io);
  } else {
    const auto& extents = list.extents();
    require(list.total() >= n && extents.size() == 1 && extents[0].state.has(Extent::zero),
            what + " answered 0, and neither lent the bytes nor told of zeroes all over");
  }
  require(device.read(offset, wanted).ok(), what + " failed when it was given memory");
  require(got == wanted, what + " gave other bytes this way");
}

void ask_all_over(const TestDevice& device) {
  const Geometry g = device.geometry();
  if (!g.flags.has(Flag::nowait | Flag::may_lend | Flag::lend_only)) throw NotMade{"it does not know the flag"};
  if (g.size == 0) throw NotMade{"the device is empty"};
  std::mt19937 random(6);
  const std::uint64_t most = std::min<std::uint64_t>(g.maximum != 0 ? g.maximum : 1 << 20, g.size);
  const std::uint64_t blocks = (g.size + g.minimum - 1) / g.minimum;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t offset = random() % std::min<std::uint64_t>(blocks, 4096) * g.minimum;
    // Of all lengths, the longest among them: a short read is hardly ever lent.
    const std::uint64_t wanted = i % 2 == 0 ? most : 1 + random() % most;
    const std::uint64_t end = std::min(offset + std::max<std::uint64_t>(wanted / g.minimum, 1) * g.minimum, g.size);
    const Flags more = (i % 3 == 0 ? Flag::may_hole : Flag::none) | (i % 5 == 0 ? Flag::may_lend_cold : Flag::none);
    ask(device, offset, static_cast<std::size_t>(end - offset), more & g.flags);
  }
}

void check_plugin(const Subject& s) { ask_all_over(*Opened(s).device); }

// Over a layer that lends, and over one that has nothing to lend but zeroes to tell of.
void check_filter(const Subject& s) {
  Geometry below = Opened::usual_below();
  below.flags |= Flag::shortcuts;
  for (const bool lends : {true, false}) {
    Opened opened(s, below);
    if (!lends) {
      std::fill_n(opened.disk.bytes().begin(), below.size / 2, std::byte{0});
      opened.disk.set_state(0, below.size / 2, Extent::sparse);
    }
    const Lent lent(opened.disk.bytes());
    if (lends) opened.disk.lend_from(lent.fd());
    ask_all_over(*opened.device);
    for (const std::string& breach : opened.disk.breaches()) throw Broken{breach};
  }
}

}  // namespace

void check_lend_only(Report& report, const Subject& s) {
  report.promise("a read that may only be lent needs no memory",
                 [&] { apart([&] { s.module.kind == ASHLAR_FILTER ? check_filter(s) : check_plugin(s); }); });
}

}  // namespace ashlar::check
