// Layers and devices: their life, and what they say of themselves.
#include <algorithm>
#include <ashlar/rules/extension.hpp>
#include <ashlar/rules/geometry.hpp>
#include <ashlar/rules/text.hpp>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "change.hpp"
#include "checks.hpp"
#include "left.hpp"
#include "model.hpp"
#include "verb_call.hpp"

namespace ashlar::check {
namespace {

// Extensions of hosts, modules and devices, and what only looks like one of them.
std::vector<std::string> known_ids() {
  return {ASHLAR_WAIT_ID,    ASHLAR_BLOCKING_ID, ASHLAR_METRICS_ID, ASHLAR_CONTROL_ID,
          ASHLAR_REOPEN_ID,  ASHLAR_REPLIED_ID,  ASHLAR_PROBE_ID,   ASHLAR_SERVING_ID,
          ASHLAR_EXPORTS_ID, ASHLAR_CONNECTS_ID, ASHLAR_GROUP_ID,   ASHLAR_DISCONNECT_ID};
}
std::vector<std::string> unknown_ids() {
  std::vector<std::string> all = {"ashlar.no-such-thing/1", "", "ashlar.", std::string(5000, 'x')};
  for (const std::string& id : known_ids())
    for (const char* const other : {"2", "10", "", "1x"}) all.push_back(id.substr(0, id.size() - 1) + other);
  return all;
}

// A request of each kind with each set of flags, on blocks of 4 KiB and off them, the same each time.
void use(Bench& bench, Device& device) {
  const Geometry& g = device.geometry();
  if (g.size == 0) return;
  const std::uint64_t most = g.maximum == 0 ? g.size : std::min<std::uint64_t>(g.maximum, g.size);
  const std::uint64_t n = std::min<std::uint64_t>(std::max<std::uint64_t>(g.minimum, 4096), most);
  const std::uint64_t some = (3072 + g.minimum - 1) / g.minimum * g.minimum;
  std::vector<Range> ranges{{0, n}};
  if (g.size >= 5 * some && (g.maximum == 0 || g.maximum >= 4 * some)) ranges.push_back({some, 4 * some});
  for (const Range& range : ranges) {
    Bytes bytes = read(device, range.offset, range.length).bytes;
    if (bytes.empty()) bytes.resize(range.length);
    for (const Op op : all_ops) {
      if (!device.offers(op) || !bench.may_send(op)) continue;
      for (const Flags flags : flag_sets(g, op, true)) static_cast<void>(ask(device, op, range, flags, bytes));
    }
  }
}

void check_layers(const Subject& s) {
  Services services(s.options);
  for (Tries tries(s, 20); tries.more();) {
    const Layer one(s.module, services, s.options.given, s.watch);
    const Layer two(s.module, services, s.options.given, s.watch);
    one.look();
    two.look();
  }
}

// The host that a layer was given is gone with it: another layer has one of its own.
void check_hosts(const Subject& s) {
  Bench bench(s);
  { const Layer other(s.module, bench.services(), s.options.given, s.watch); }
  use(bench, bench.device());
  bench.reopen();
  use(bench, bench.device());
  bench.look();
}

void check_geometry(const Subject& s) {
  Bench bench(s);
  const ashlar_geometry& g = bench.device().raw_geometry();
  if (const std::string fault = rules::geometry_fault(g); !fault.empty()) throw Broken{fault};
  require((g.traits & ASHLAR_READ_ONLY) == 0 || !(bench.geometry().ops & Ops::writing()).any(),
          "it calls itself read-only, and offers ops that write");
  bench.look();
}

// What a later open says may be another size, where somebody else changes the disk: not here.
void check_alike(const Subject& s) {
  Bench bench(s);
  const ashlar_geometry first = bench.device().raw_geometry();
  const bool read_only = !s.is_filter() && !s.options.write;
  const auto same = [&](const Device& device) {
    const ashlar_geometry& g = device.raw_geometry();
    require(std::memcmp(&g, &first, sizeof g) == 0, "another device of the layer describes itself otherwise");
  };
  for (Tries tries(s, 50); tries.more();) same(bench.open(read_only)->device);
  std::vector<std::unique_ptr<Bench::Opened>> at_once;
  for (int i = 0; i < 8; ++i) same(at_once.emplace_back(bench.open(read_only))->device);
  const std::uint64_t n = short_length(bench.geometry());
  const Bytes bytes = n != 0 ? read_all(bench.device(), 0, n) : Bytes();
  at_once.clear();
  if (n != 0)
    require(read_all(bench.device(), 0, n) == bytes, "a device reads otherwise when others of its layer were closed");
  for (const std::uint32_t purpose : {ASHLAR_OPEN_ON_TRIAL, ASHLAR_OPEN_FOR_VERB})
    same(bench.open(read_only, purpose)->device);
  bench.look();
}

void check_read_only(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  Bench bench(s);
  const auto opened = bench.open(true);
  bench.disk().forbid_changes("the export will not be written to");
  const Model model(opened->device, 32 << 10);
  Random random(s.options.seed);
  for (Tries tries(s, 50); tries.more();) {
    const Range range = model.pick(random, model.longest(Op::read, 64 << 10));
    model.compare(range);
    if (opened->device.offers(Op::extents))
      must(extents(opened->device, range.offset, range.length).status, {.op = Op::extents});
  }
  opened->look();
  bench.look();
}

void check_extension(const Subject& s) {
  Bench bench(s);
  const ashlar_device& d = bench.device().raw();
  if (d.extension == nullptr && !rules::has_extensions(s.module)) throw NotMade{"it has none"};
  s.watch.begin("extension");
  for (const std::string& id : unknown_ids()) {
    const std::string named =
        " claims to have the extension " + rules::in_quotes(id.substr(0, 60)) + ", which nobody knows";
    if (d.extension != nullptr) require(d.extension(d.self, id.c_str()) == nullptr, "a device" + named);
    require(rules::extension_of(s.module, id.c_str()) == nullptr, "the module" + named);
  }
}

// Runs the cycle again and again: what grows each time by what every round would leave behind is left behind. It may
// grow for long all the same, as malloc keeps freed memory for each thread, and counts that as allocated.
template <class Cycle>
void must_leave_nothing(const char* per, Cycle cycle) {
  constexpr std::size_t rounds = 10, most_times = 60;
  constexpr std::pair<std::size_t Left::*, std::size_t> looked_at[] = {
      {&Left::descriptors, 1}, {&Left::threads, 1}, {&Left::allocated, 16}, {&Left::mapped, 4096}};
  for (int warm = 0; warm < 6; ++warm) cycle();
  const Left first = Left::now();
  Left last = first;
  std::vector grows(looked_at, std::end(looked_at));
  for (std::size_t time = 0; time != most_times && !grows.empty(); ++time) {
    for (std::size_t i = 0; i < rounds; ++i) cycle();
    const Left now = Left::now();
    std::erase_if(grows, [&](const auto& one) { return now.*one.first < last.*one.first + rounds * one.second; });
    last = now;
  }
  const auto still_grows = [&grows](std::size_t Left::*what) {
    return std::any_of(grows.begin(), grows.end(), [what](const auto& one) { return one.first == what; });
  };
  const std::string each = std::string(" stays behind for each ") + per;
  require(!still_grows(&Left::descriptors), "a descriptor" + each);
  if (still_grows(&Left::threads))
    require(Left::threads_settled(first.threads + rounds) < first.threads + rounds, "a thread" + each);
  require(!still_grows(&Left::allocated), "memory" + each);
  require(!still_grows(&Left::mapped), "mapped memory" + each);
}

void check_left(const Subject& s) {
  const Left before = Left::now();
  {
    Bench bench(s);
    use(bench, bench.device());
  }
  require(Left::threads_settled(before.threads) <= before.threads, "a thread is left when the layer is destroyed");
  require(Left::now().descriptors >= before.descriptors, "it closed a descriptor that was not its own");
  Bench bench(s);
  const auto use_it = [&](Device& device) {
    use(bench, device);
    if (s.is_filter()) bench.disk().forget_calls();
  };
  // From what is tried most often on: so each is named by the least that leaves it behind.
  must_leave_nothing("request", [&] { use_it(bench.device()); });
  must_leave_nothing("device", [&] { use_it(bench.open(!s.is_filter() && !s.options.write)->device); });
  must_leave_nothing("layer", [&] {
    bench.reopen();
    use_it(bench.device());
  });
  if (s.is_filter() || s.options.write || bench.geometry().read_only)
    for (const LayerHost::Verb& verb : bench.layer().host().verbs())
      must_leave_nothing("call of a verb", [&] {
        Answers answers;
        call_verb(s, bench, verb, {}, answers);
        bench.forget_verbs();
      });
  if (!s.is_filter()) return;
  must_leave_nothing("request that fails", [&] {
    bench.disk().judge([](const Disk::Call&, std::size_t) { return Status::io_error(); });
    use_it(bench.device());
    bench.disk().judge({});
  });
  must_leave_nothing("request that would wait", [&] {
    bench.disk().judge([](const Disk::Call& call, std::size_t) {
      return call.flags.has(Flag::nowait) ? Status::would_block() : Status::success();
    });
    use_it(bench.device());
    bench.disk().judge({});
  });
}

// Refusals have a text that fits into its room. What most modules refuse is a path to nowhere, or a layer below that is
// odd; what they accept is fine, too.
void check_errors(const Subject& s) {
  Services services(s.options);
  int refusals = 0;
  const auto refused = [&](const testing::Given& given, Disk::Connection* connection) {
    try {
      Layer layer(s.module, services, given, s.watch);
      const Device device(layer, {.below = s.is_filter() ? connection : nullptr});
      return false;
    } catch (const Refused& r) {
      const auto path = [&](std::int32_t row) { return s.module.params[row]->type == ASHLAR_PARAM_PATH; };
      if (r.parameter >= 0 && given != s.options.given && !path(r.parameter))
        throw Broken{std::string("it blames the parameter ") + s.module.params[r.parameter]->name +
                     ", and it was a path that leads nowhere"};
      return true;
    }
  };
  for (const std::size_t room : {1, 2, 24, 256}) {
    services.set_error_room(room);
    testing::Given given = s.options.given;
    bool path = false;
    for (auto& [name, text] : given)
      for (std::uint32_t i = 0; i < s.module.n_params; ++i)
        if (name == s.module.params[i]->name && s.module.params[i]->type == ASHLAR_PARAM_PATH) {
          text = "/nonexistent/of/ashlar-check/and a long name that does not fit";
          path = true;
        }
    if (!path && !s.is_filter()) continue;
    Geometry odd = Bench::usual_below(s.is_filter() && !path ? 513 : 1 << 20);
    odd.minimum = path ? 1 : 512;
    Disk disk(odd);
    const auto connection = disk.connect();
    if (refused(given, connection.get())) ++refusals;
    // The same each time, so that it is the refusal which leaves something behind.
    if (refusals != 0 && room == 256) must_leave_nothing("refusal", [&] { refused(given, connection.get()); });
  }
  if (refusals == 0) throw NotMade{"it refuses nothing that could be tried"};
}

}  // namespace

std::span<const Check> life_checks() {
  static constexpr Check checks[] = {
      {"layers", "layers can be created and destroyed, several at once", &check_layers, true},
      {"geometry", "a device describes itself within bounds", &check_geometry, true},
      {"hosts", "a layer uses the host that it was given, while it lives", &check_hosts},
      {"alike", "a layer can be opened often and alike", &check_alike},
      {"extension", "has no extension that it does not know", &check_extension},
  };
  return checks;
}

std::span<const Check> end_checks() {
  static constexpr Check checks[] = {
      {"read-only", "what is opened to be read only is only read", &check_read_only},
      {"left", "leaves no descriptor, memory or thread behind", &check_left},
      {"errors", "a refusal has a text of one line that fits its room", &check_errors},
  };
  return checks;
}

}  // namespace ashlar::check
