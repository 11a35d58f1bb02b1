// The modules of ABI 1.0 in this host: each op, flag, parameter, service and extension does what it did when they were
// built. Built with the headers of minor 1, too.
#include "old_modules.hpp"

#include <unistd.h>

#include <ashlar/rules/extension.hpp>
#include <cstring>

#include "chain/listed_exports.hpp"
#include "unit/matchers.hpp"

namespace ashlar::host {

using Lines = std::vector<std::string>;

namespace {

constexpr std::uint64_t size = 1 << 20;

const char* plugin() { return GENERATE("plugin_c", "plugin_cxx"); }
const char* filter() { return GENERATE("filter_c", "filter_cxx"); }

std::vector<char> bytes(std::size_t length, int value) { return std::vector<char>(length, static_cast<char>(value)); }

}  // namespace

TEST_CASE("a plugin describes itself") {
  const std::string name = plugin();
  Old old({}, name, "rotational = true\ndepth = 5");
  const Geometry g = old.open()->geometry();
  CHECK(g.size == size);
  CHECK(g.ops == Ops{0x7f});
  CHECK(g.flags == Flags{0x1ff});
  CHECK(g.minimum == 1);
  CHECK(g.preferred == 4096);
  CHECK(g.maximum == 8 << 20);
  CHECK((g.rotational && g.multi_conn && !g.read_only && !g.zero_may_fail));
  CHECK(g.parks == (name == "plugin_cxx"));
  CHECK(g.depth == 5);
  CHECK(old.exported().serial() == (name == "plugin_cxx"));
}

TEST_CASE("a plugin's writes and reads, in each way") {
  Old old({}, plugin());
  const auto chain = old.open();
  const auto ones = bytes(10000, 1);
  for (const std::uint64_t flags : {std::uint64_t{0}, ASHLAR_FUA, ASHLAR_NOWAIT, ASHLAR_FUA | ASHLAR_NOWAIT}) {
    CHECK(ask(*chain, ASHLAR_OP_WRITE, 3000, bytes(10000, static_cast<int>(flags)), flags) == 0);
    CHECK(read(*chain, 3000, 10000) == bytes(10000, static_cast<int>(flags)));
  }
  CHECK(ask(*chain, ASHLAR_OP_WRITE, 3000, ones) == 0);
  CHECK(read(*chain, 3000, 10000, ASHLAR_NOWAIT) == ones);

  Request lent(ASHLAR_OP_READ, 4096, 100, ASHLAR_NOWAIT | ASHLAR_MAY_LEND | ASHLAR_MAY_LEND_COLD);
  REQUIRE(chain->process(lent.io) == 0);
  REQUIRE(lent.io.lent_fd >= 0);
  CHECK(lent.io.lent_cold == 1);
  char byte = 0;
  CHECK(::pread(lent.io.lent_fd, &byte, 1, static_cast<off_t>(lent.io.lent_offset)) == 1);
  CHECK(byte == 1);

  Request only(ASHLAR_OP_READ, 8192, 100, ASHLAR_NOWAIT | ASHLAR_MAY_LEND | ASHLAR_LEND_ONLY | ASHLAR_MAY_HOLE);
  only.io.data = nullptr;
  REQUIRE(chain->process(only.io) == 0);
  CHECK(only.io.lent_fd >= 0);
  CHECK(only.extents.told.empty());
  Request hole(ASHLAR_OP_READ, 65536, 100, ASHLAR_MAY_HOLE);
  REQUIRE(chain->process(hole.io) == 0);
  CHECK(hole.extents.told == Lines{"100 3"});
}

TEST_CASE("a plugin's zeroes, trims and extents") {
  Old old({}, plugin());
  const auto chain = old.open();
  const auto extents = [&](std::uint64_t flags = 0) {
    Request io(ASHLAR_OP_EXTENTS, 0, 65536, flags);
    CHECK(chain->process(io.io) == 0);
    return io.extents.told;
  };
  CHECK(extents() == Lines{"1048576 3"});
  CHECK(ask(*chain, ASHLAR_OP_WRITE, 0, bytes(16384, 7)) == 0);
  CHECK(extents(ASHLAR_REQ_ONE) == Lines{"16384 0"});
  CHECK(ask(*chain, ASHLAR_OP_ZERO, 4096, 4096, ASHLAR_FAST) == ENOTSUP);
  CHECK(read(*chain, 4096, 4096) == bytes(4096, 7));
  CHECK(ask(*chain, ASHLAR_OP_ZERO, 4096, 4096, ASHLAR_FUA) == 0);
  CHECK(read(*chain, 4096, 4096) == bytes(4096, 0));
  CHECK(extents() == Lines{"16384 0", "1032192 3"});
  CHECK(ask(*chain, ASHLAR_OP_ZERO, 4096, 4096, ASHLAR_FAST | ASHLAR_MAY_TRIM) == 0);
  CHECK(extents() == Lines{"4096 0", "4096 3", "8192 0", "1032192 3"});
  CHECK(ask(*chain, ASHLAR_OP_TRIM, 0, 16384, ASHLAR_FUA) == 0);
  CHECK(extents() == Lines{"1048576 3"});
}

TEST_CASE("flush and cache wait as the host waits, and the rest of the ops count") {
  Old old({}, plugin());
  const auto chain = old.open();
  CHECK(ask(*chain, ASHLAR_OP_FLUSH, 0, 0) == 0);
  CHECK(ask(*chain, ASHLAR_OP_CACHE, 0, 8192) == 0);
  CHECK(read(*chain, 0, 100000) == bytes(100000, 0));
  CHECK(old.metric(0, "requests").value == 3);
  CHECK(old.metric(0, "devices").value == 1);
  CHECK(old.metric(0, "length_bytes").bounds == std::vector<double>{4096, 65536});
  CHECK(old.metric(0, "length_bytes").counts == std::vector<std::uint64_t>{1, 1, 1});
}

TEST_CASE("a filter changes what goes through it, and offers what it knows") {
  Old old({{filter(), "depth = 3"}}, plugin(), "depth = 9");
  const auto chain = old.open();
  const Geometry& g = chain->geometry();
  CHECK(g.ops == Ops{0x7f & ~ASHLAR_OP_BIT(ASHLAR_OP_ZERO)});
  CHECK(g.flags == Flags{ASHLAR_FUA | ASHLAR_REQ_ONE | ASHLAR_NOWAIT});
  CHECK(g.depth == 3);
  CHECK_FALSE(g.parks);
  CHECK(ask(*chain, ASHLAR_OP_WRITE, 100, bytes(200000, 0x0f), ASHLAR_FUA) == 0);
  CHECK(ask(*chain, ASHLAR_OP_WRITE, 300000, bytes(512, 0x0f), ASHLAR_NOWAIT) == 0);
  CHECK(read(*chain, 100, 200000) == bytes(200000, 0x0f));
  CHECK(read(*chain, 300000, 512, ASHLAR_NOWAIT) == bytes(512, 0x0f));
  CHECK(ask(*chain, ASHLAR_OP_FLUSH, 0, 0) == 0);
  CHECK(ask(*chain, ASHLAR_OP_CACHE, 0, 4096) == 0);
  Request io(ASHLAR_OP_EXTENTS, 0, size, 0);
  CHECK(chain->process(io.io) == 0);
  CHECK(io.extents.told == Lines{"200704 0", "98304 0", "4096 0", "745472 0"});
  CHECK(ask(*chain, ASHLAR_OP_TRIM, 0, size) == 0);
  CHECK(read(*chain, 0, 512) == bytes(512, 0xff));
}

TEST_CASE("a layer is given its parameters, of each type") {
  const bool is_filter = GENERATE(false, true);
  const std::string values =
      "label = \"blüte\"\nnotes = \"a b.txt\"\nspeed = \"slow\"\nkey = \"sesame\"\nbad = [\"4K\", 9000]\ndepth = 64";
  Old old(is_filter ? std::vector<Given>{{filter(), values}} : std::vector<Given>{}, plugin(), is_filter ? "" : values);
  CHECK_THAT(old.log.text(), ContainsSubstring("label blüte notes " + (old.folder.path() / "a b.txt").string() +
                                               " speed 0 slow key of 6 bytes"));
  CHECK_THAT(old.log.text(), ContainsSubstring("as expected") && !ContainsSubstring("sesame"));
  if (is_filter) return;
  const auto chain = old.open();
  CHECK(ask(*chain, ASHLAR_OP_READ, 4000, 90) == 0);
  CHECK(ask(*chain, ASHLAR_OP_READ, 4000, 97) == EIO);
  CHECK(ask(*chain, ASHLAR_OP_READ, 9000, 1) == EIO);
  CHECK(old.disconnected == 0);
}

TEST_CASE("a layer's refusal is told with the place of the parameter that it blames") {
  const std::string name = plugin();
  try {
    Old old({}, name, "label = \"x\"\nbad = [0, 1048576]");
    FAIL("it is not refused");
  } catch (const ConfigError& e) {
    CHECK_THAT(e.what(), ContainsSubstring(":6:7: key \"bad\"") && ContainsSubstring("1048576 is past the end"));
  }
}

TEST_CASE("a device knows its client, can end its connection, and hears of replies") {
  const bool is_filter = GENERATE(false, true);
  Old old(is_filter ? std::vector<Given>{{filter(), "ends = true"}} : std::vector<Given>{}, plugin(),
          std::string("bad = [4096]") + (is_filter ? "" : "\nends = true"));
  const auto chain = old.open();
  CHECK_THAT(old.log.text(),
             ContainsSubstring("client 7 on tcp at 192.0.2.1:4711 uid 1 gid 2 pid 3 tls CN=mason psk alice asks for "
                               "typed, has disk"));
  CHECK(ask(*chain, ASHLAR_OP_READ, 4096, 1) == EIO);
  CHECK(old.disconnected == 1);
  CHECK(chain->wants_replies());
  chain->replied(77, EIO);
  CHECK_THAT(old.log.text(), ContainsSubstring("replied to 77: 5"));
  CHECK(old.metric(0, "replies").value == 1);
}

TEST_CASE("verbs are answered, over the layers below if they ask for them") {
  Old old({{filter(), ""}}, plugin());
  CHECK(ask(*old.open(), ASHLAR_OP_WRITE, 0, bytes(8192, 1)) == 0);
  CHECK(old.exported().call_verb(1, "written", {}) == "blocks 2");
  CHECK(old.exported().call_verb(1, "written", Lines{"now"}) == "now 2");
  CHECK(old.refusal(1, "written", {"a", "bee"}) == E2BIG);
  CHECK(old.exported().call_verb(0, "sum", {}) == "sum " + std::to_string(4096 * 0xfe));
  CHECK(old.exported().call_verb(0, "fill", Lines{"3"}).empty());
  CHECK(old.exported().call_verb(0, "sum", {}) == "sum " + std::to_string(4096 * 3));
  CHECK(old.refusal(0, "fill", {}) == EINVAL);
}

TEST_CASE("a plugin lists what it could serve, and probes") {
  Old old({}, plugin());
  const Layer& layer = *old.exported().layers().back();
  CHECK(listed_exports(layer, old.exported().activity(), 1).is_cut);
  const auto listed = listed_exports(layer, old.exported().activity(), 2).exports;
  REQUIRE(listed.size() == 2);
  CHECK((listed[0].name == "one" && listed[0].description == "the first"));
  CHECK((listed[1].name == "two" && listed[1].description.empty()));

  const auto& probe = *static_cast<const ashlar_probe*>(layer.library().extension(ASHLAR_PROBE_ID));
  Lines found;
  const ashlar_probe_sink sink{
      &found,
      [](void* self, const char* kind) noexcept {
        static_cast<Lines*>(self)->push_back(kind);
        return 0;
      },
      [](void* self, const char* name, std::uint32_t supported, const char* note) noexcept {
        static_cast<Lines*>(self)->push_back(std::string(name) + " " + std::to_string(supported) + " " + note);
        return 0;
      }};
  char text[100] = "";
  ashlar_error error{};
  error = {sizeof error, -1, text, sizeof text};
  CHECK(probe.probe("/dev", ASHLAR_PROBE_ONLY_ASK, &sink, &error) == 0);
  CHECK(probe.probe("/dev", 0, &sink, &error) == 0);
  CHECK(found == Lines{"a place", "reads 1 /dev", "flies 0 it has no wings", "writes 2 ", "a place", "reads 1 /dev",
                       "flies 0 it has no wings", "writes 1 "});
  CHECK(probe.probe("dev", 0, &sink, &error) == EINVAL);
  CHECK_THAT(text, ContainsSubstring("is not absolute"));
  CHECK(layer.library().extension("ashlar.no-such-thing/1") == nullptr);
}

TEST_CASE("a plugin says that it connects, and where it is listed") {
  Old old({}, plugin());
  const ashlar_module& module = old.exported().layers().back()->library().module();
  CHECK(rules::connects(module));
  CHECK(std::string(rules::group_of(module)) == "old disks");
}

TEST_CASE("layers know their place, and are told when they begin to serve") {
  Old old({{filter(), ""}}, plugin());
  CHECK_THAT(old.log.text(), ContainsSubstring("layer 1 of disk"));
  CHECK_THAT(old.log.text(), ContainsSubstring("layer 2 of disk"));
  CHECK_THAT(old.log.text(), !ContainsSubstring("begins to serve"));
  old.exported().begin_serving();
  CHECK_THAT(old.log.text(), ContainsSubstring("begins to serve"));
}

TEST_CASE("a filter has the layers below opened anew") {
  Old old({{filter(), "reopens = true"}}, plugin(), "bad = [4096]");
  const auto chain = old.open();
  CHECK(ask(*chain, ASHLAR_OP_READ, 4096, 1) == EIO);
  CHECK_THAT(old.log.text(), ContainsSubstring("opened anew: 0"));
  CHECK(read(*chain, 0, 512) == bytes(512, 0xff));
  CHECK(old.metric(1, "devices").value == 1);
}

TEST_CASE("a filter that never writes below has what is below opened to be read only") {
  const std::string below = plugin();
  const std::string forgetter = GENERATE("filter_c", "forgetter_cxx");
  Old old({{forgetter, "forgets = true"}}, below);
  CHECK(old.exported().layers().front()->never_writes_below());
  const auto chain = old.open();
  CHECK_FALSE(chain->geometry().read_only);
  CHECK(chain->geometries().back().read_only);
  CHECK(ask(*chain, ASHLAR_OP_WRITE, 0, bytes(512, 1)) == 0);
  CHECK(read(*chain, 0, 512) == bytes(512, 0xff));
}

TEST_CASE("an op, a flag and a trait that are newer than a filter do not slip past it") {
  Old alone({}, "newer_content");
  const Geometry newest = alone.open()->geometry();
  const bool known = ASHLAR_ABI_MINOR > 0;
  CHECK(newest.ops.has(Ops{0x80}) == known);
  CHECK(newest.flags.has(Flags{0x200}) == known);

  const std::string above = GENERATE("filter_c", "filter_cxx");
  Old old({{above, ""}}, "newer_content");
  const auto chain = old.open();
  CHECK(chain->geometry().ops == Ops{Op::read});
  CHECK(chain->geometry().flags == Flags{ASHLAR_NOWAIT});
  CHECK(read(*chain, 5, 1) == bytes(1, ~5));
  CHECK(ask(*chain, 7, 0, bytes(512, 0)) == ENOTSUP);
}

TEST_CASE("a host knows what is new with it") {
  const char* const minor = std::getenv("ASHLAR_TEST_MINOR");
  REQUIRE(ASHLAR_ABI_MINOR == (minor != nullptr ? std::stoul(minor) : 0));
  if (ASHLAR_ABI_MINOR == 0) return;
  Old old({}, "newer");
  const auto chain = old.open();
  std::vector<char> count(256);
  Request io(7, 0, count, 0x200);
  CHECK(chain->process(io.io) == 0);
  std::uint64_t told = 0;
  std::memcpy(&told, io.io.data, sizeof told);
  CHECK(told == 255);
}

TEST_CASE("a module that needs a newer host is refused with both numbers, and one that does not is served") {
  if (ASHLAR_ABI_MINOR == 0) {
    try {
      Old old({}, "newer");
      FAIL("it is not refused");
    } catch (const ConfigError& e) {
      CHECK_THAT(e.what(), ContainsSubstring("newer.so: needs ABI 1.1; this ashlar has 1.0: use a newer ashlar"));
    }
  }
  Old old({{"newer_filter", ""}}, "newer_content", "label = \"x\"");
  CHECK(read(*old.open(), 7, 1) == bytes(1, 7));
  Old over_old({{"newer_filter", "label = \"y\""}}, plugin());
  CHECK(ask(*over_old.open(), ASHLAR_OP_WRITE, 0, bytes(512, 9)) == 0);
  CHECK(read(*over_old.open(), 0, 512) == bytes(512, 9));
}

}  // namespace ashlar::host
