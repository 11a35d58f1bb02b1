// What the rules of the filter fault say, and whom they hit.
#include <chrono>
#include <thread>

#include "bench.hpp"
#include "catch.hpp"
#include "rule_text.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ashlar::fault::RuleText;
using Catch::Contains;

namespace {

// A full disk and the filter over it, with its rules.
struct Ruled {
  FakeHost host;
  ModelDisk disk{65536};
  TestLayer layer;
  std::unique_ptr<TestDevice> device;
  explicit Ruled(const std::string& rules, const std::string& seed = "1")
      : layer(own_module(), host, {{"seed", seed}, {"rules", rules}}) {
    disk.geometry().flags |= Flag::shortcuts;
    disk.fill();
    device = layer.open_over(disk);
  }
  std::string verb(const std::string& name, const std::vector<std::string>& words = {}) {
    return host.control().call_over(disk, name, words);
  }
  Status read(std::uint64_t offset, std::size_t n, Flags flags = {}) {
    Bytes into(n);
    return device->read(offset, into, flags);
  }
  double counted(const std::string& metric) { return host.metrics().value("fault_" + metric); }
};

std::string fault_of(const std::string& rule) {
  try {
    RuleText::parse(rule);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "";
}

unsigned different_bits(const Bytes& a, const Bytes& b) {
  unsigned n = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    n += static_cast<unsigned>(__builtin_popcount(std::to_integer<unsigned>(a[i] ^ b[i])));
  return n;
}

}  // namespace

TEST_CASE("fault takes rules apart") {
  const RuleText all = RuleText::parse("  range=1M..2M   read error=EIO delay=40ms every=3 after=10 times=7 ");
  CHECK((all.begin == 1 << 20 && all.end == 2 << 20));
  CHECK(all.ops == Ops{Op::read});
  CHECK(all.error == EIO);
  CHECK(all.delay == std::chrono::milliseconds(40));
  CHECK((all.every == 3 && all.after == 10 && all.times == 7));
  CHECK(all.text == "range=1M..2M read error=EIO delay=40ms every=3 after=10 times=7");
  const RuleText other = RuleText::parse("write delay=normal(5ms,2ms) probability=0.01");
  CHECK(other.delay == std::chrono::milliseconds(5));
  CHECK(other.deviation == std::chrono::milliseconds(2));
  CHECK(other.probability == 0.01);
  CHECK(RuleText::parse("connection drop after=500").ops == Ops::known());
  CHECK(RuleText::parse("flush lie").lie);
  CHECK(RuleText::parse("write torn").torn);
  CHECK(RuleText::parse("read hang").hang);
  CHECK(RuleText::parse("read flip=2").flip == 2);
  CHECK(RuleText::parse("zero error=ENOTSUP").error == ENOTSUP);
}

TEST_CASE("fault says which word of a rule is wrong, and what to do") {
  const std::pair<const char*, const char*> rows[] = {
      {"", "a rule is empty"},
      {"read", "\"read\" has no fault; write error=EIO"},
      {"error=EIO", "does not say what it is for"},
      {"reed error=EIO", "\"reed\" is not known"},
      {"read eror=EIO", "\"eror=EIO\" is not known"},
      {"read write error=EIO", "\"write\" is no fault"},
      {"read error=EGGS", "\"error=EGGS\" names no error"},
      {"read error=EAGAIN", "cannot be told to a client"},
      {"read delay=40", "\"delay=40\" has no duration"},
      {"read delay=normal(5ms)", "is not whole"},
      {"read delay=25000000s", "is more than a day"},
      {"read flip=0", "needs a whole number from 1 on"},
      {"read flip=65", "takes up to 64 bits"},
      {"write flip=1", "\"flip\" is for read alone"},
      {"read torn", "\"torn\" is for write alone"},
      {"read lie", "\"lie\" is for write, flush, trim and zero"},
      {"write lie torn", "goes with neither"},
      {"range=1M..1M read hang", "is empty"},
      {"range=1M read hang", "is no range"},
      {"range=1M..x read hang", "\"x\" is not a size"},
      {"range=0..1M flush hang", "\"range\" is not for flush"},
      {"read hang every=0", "needs a whole number from 1 on"},
      {"read hang every=2 every=3", "stands beside another of its kind"},
      {"read hang probability=2", "is no probability"},
      {"read hang probability=0", "is no probability"},
  };
  for (const auto& [rule, wanted] : rows) {
    INFO(rule);
    CHECK_THAT(fault_of(rule), Contains(wanted));
  }
}

TEST_CASE("fault refuses a wrong rule of the config, by its parameter") {
  const FakeHost host;
  CHECK_THROWS_WITH(TestLayer(own_module(), host, {{"rules", "read error=EIO,read eror=EIO"}}),
                    Contains("rules: \"read eror=EIO\": \"eror=EIO\" is not known"));
}

TEST_CASE("fault refuses a size for what is not kept apart") {
  const FakeHost host;
  CHECK_THROWS_WITH(TestLayer(own_module(), host, {{"volatile_size", "64K"}}),
                    Contains("volatile_size needs volatile"));
}

TEST_CASE("fault hits the Nth and its multiples with every, spares N with after, and ends with times") {
  const auto hits = [](const std::string& which) {
    Ruled b("read error=EIO " + which);
    std::string shown;
    for (int i = 0; i != 10; ++i) shown += b.read(0, 512).ok() ? '.' : 'X';
    CHECK(b.counted("errors") == static_cast<double>(std::count(shown.begin(), shown.end(), 'X')));
    return shown;
  };
  CHECK(hits("") == "XXXXXXXXXX");
  CHECK(hits("every=3") == "..X..X..X.");
  CHECK(hits("after=7") == ".......XXX");
  CHECK(hits("times=2") == "XX........");
  CHECK(hits("after=2 every=2 times=3") == "...X.X.X..");
}

TEST_CASE("fault makes the same faults for the same seed, and others for another") {
  const auto hits = [](const std::string& seed) {
    Ruled b("read error=EIO probability=0.5", seed);
    std::string shown;
    for (int i = 0; i != 64; ++i) shown += b.read(0, 512).ok() ? '.' : 'X';
    return shown;
  };
  CHECK(hits("7") == hits("7"));
  CHECK(hits("7") != hits("8"));
  const std::string some = hits("7");
  CHECK(some.find('X') != some.npos);
  CHECK(some.find('.') != some.npos);
}

TEST_CASE("fault hits the requests that touch a byte of the range, of which the end is none") {
  Ruled b("range=4K..8K read error=EIO");
  CHECK(b.read(0, 4096).ok());
  CHECK(b.read(8192, 4096).ok());
  CHECK(b.read(0, 4097) == Status::io_error());
  CHECK(b.read(8191, 1) == Status::io_error());
  CHECK(b.device->write(4096, bytes_of(512, 1)).ok());
}

TEST_CASE("fault's error is the answer, and nothing is asked of the layer below") {
  Ruled b("write error=ENOSPC,flush error=EIO,zero error=ENOTSUP,trim error=EPERM,cache error=EIO,extents error=EIO");
  ExtentList list;
  CHECK(b.device->write(0, bytes_of(512, 1)) == Status::no_space());
  CHECK(b.device->flush() == Status::io_error());
  CHECK(b.device->zero(0, 512) == Status::not_supported());
  CHECK(b.device->trim(0, 512).code() == EPERM);
  CHECK(b.device->cache(0, 512) == Status::io_error());
  CHECK(b.device->extents(0, 512, list) == Status::io_error());
  CHECK(b.disk.calls().empty());
}

TEST_CASE("fault flips as many bits of a read as it is told to, within the range") {
  Ruled b("range=4K..5K read flip=1");
  const Bytes right = part(b.disk.bytes(), 0, 16384);
  const Bytes got = read_all(*b.device, 0, 16384);
  CHECK(different_bits(got, right) == 1);
  CHECK(part(got, 0, 4096) == part(right, 0, 4096));
  CHECK(part(got, 5120, 11264) == part(right, 5120, 11264));
  CHECK(part(b.disk.bytes(), 0, 16384) == right);
  CHECK(b.counted("flips") == 1);
}

TEST_CASE("fault reads without shortcuts what it is to flip") {
  Ruled b("read flip=1");
  b.disk.lend_from(0);
  CHECK(b.read(0, 4096, Flag::nowait | Flag::may_lend) == Status::would_block());
  Bytes into(4096);
  Io io = Io::read(0, into, Flag::may_lend);
  CHECK(b.device->process(io).ok());
  CHECK_FALSE(io.lent());
  CHECK(different_bits(into, part(b.disk.bytes(), 0, 4096)) == 1);
}

TEST_CASE("fault leaves shortcuts to what no rule is for") {
  Ruled b("range=8K..12K read error=EIO");
  b.disk.lend_from(0);
  Io io = Io::lend_only(0, 4096);
  CHECK(b.device->process(io).ok());
  CHECK(io.lent());
  Io other = Io::lend_only(8192, 4096);
  CHECK(b.device->process(other) == Status::would_block());
  CHECK(b.counted("errors") == 0);
}

TEST_CASE("fault lies that it has done what it has not") {
  Ruled b("flush lie,range=0..4K write lie");
  const Bytes before = b.disk.bytes();
  CHECK(b.device->flush().ok());
  CHECK(b.device->write(0, bytes_of(512, 1)).ok());
  CHECK(b.disk.calls().empty());
  CHECK(b.disk.bytes() == before);
  CHECK(b.counted("lies") == 2);
}

TEST_CASE("fault tears a write at a block, and says that all is well, or what else is said") {
  const bool told = GENERATE(false, true);
  Ruled b(told ? "write torn error=EIO" : "write torn");
  std::size_t most = 0;
  for (int i = 0; i != 20; ++i) {
    b.disk.fill();
    const Bytes before = b.disk.bytes();
    CHECK(b.device->write(4096, bytes_of(4096, 0xfe)) == (told ? Status::io_error() : Status::success()));
    std::size_t written = 0;
    while (b.disk.bytes()[4096 + written] == std::byte{0xfe}) ++written;
    CHECK(written % 512 == 0);
    CHECK(written < 4096);
    most = std::max(most, written);
    CHECK(part(b.disk.bytes(), 4096 + written, 8192) == part(before, 4096 + written, 8192));
  }
  CHECK(most > 0);
  CHECK(b.counted("torn_writes") == 20);
}

TEST_CASE("fault holds up what it delays, by the clock, and no longer than somebody waits for it") {
  Ruled b("read delay=20ms,read delay=20ms");
  const auto start = std::chrono::steady_clock::now();
  CHECK(b.read(0, 512).ok());
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(40));
  CHECK(b.counted("delays") == 2);
  CHECK(b.verb("add", {"write", "delay=normal(3600s,1ms)"}) == "rule 3");
  b.host.wait().cancel();
  CHECK(b.device->write(0, bytes_of(512, 1)).code() == ECANCELED);
  CHECK(b.disk.count(Op::write) == 0);
}

TEST_CASE("fault lets what hangs go on when its rule is removed, and give up when it is cancelled") {
  const bool removed = GENERATE(true, false);
  Ruled b("read hang");
  Status s{9999};
  std::thread reader([&] { s = b.read(0, 512); });
  CHECK(holds_in_time([&] { return b.host.wait().waiting() != 0; }));
  CHECK(b.disk.calls().empty());
  if (removed) CHECK(b.verb("remove", {"1"}) == "rule 1 removed");
  else b.host.wait().cancel();
  reader.join();
  CHECK(s == (removed ? Status::success() : Status{ECANCELED}));
  CHECK(b.counted("hangs") == 1);
}

TEST_CASE("fault ends a connection, or answers EIO where there is none") {
  Ruled b("connection drop after=2 times=1");
  CHECK(b.read(0, 512).ok());
  CHECK(b.device->flush().ok());
  CHECK(b.device->flush() == Status::io_error());
  CHECK(b.device->flush().ok());
  CHECK(b.counted("drops") == 1);
}

TEST_CASE("fault's rules are added, listed and removed while it runs") {
  Ruled b("read error=EIO every=2");
  CHECK(b.read(0, 512).ok());
  CHECK(b.read(0, 512) == Status::io_error());
  CHECK(b.verb("list") == "1: read error=EIO every=2 (matches=2 hits=1)\n");
  CHECK(b.verb("add", {"write", "error=ENOSPC"}) == "rule 2");
  CHECK(b.device->write(0, bytes_of(512, 1)) == Status::no_space());
  CHECK(b.verb("remove", {"1"}) == "rule 1 removed");
  CHECK(b.read(0, 512).ok());
  CHECK(b.read(0, 512).ok());
  CHECK(b.verb("add", {"flush lie"}) == "rule 3");  // numbers do not come again
  CHECK(b.verb("list") == "2: write error=ENOSPC (matches=1 hits=1)\n3: flush lie (matches=0 hits=0)\n");
  CHECK_THROWS_WITH(b.verb("remove", {"1"}), Contains("no rule 1"));
  CHECK_THROWS_WITH(b.verb("remove", {"x"}), Contains("\"x\" is no number of a rule"));
  CHECK_THROWS_WITH(b.verb("add", {"read"}), Contains("has no fault"));
  CHECK_THROWS_WITH(b.verb("list", {"all"}), Contains("takes no argument"));
}

TEST_CASE("fault logs at debug what it does") {
  Ruled b("read error=EIO");
  CHECK(b.read(4096, 512) == Status::io_error());
  CHECK(b.host.said("rule 1 (read error=EIO) hits read offset=4096 length=512"));
  for (const auto& line : b.host.lines()) CHECK(line.level == Level::debug);
}
