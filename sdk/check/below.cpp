// Filters: what they ask of the layer below, and where.
#include <algorithm>
#include <map>

#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

void must_be_filter(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"it is no filter"};
}

void check_newer(const Subject& s) {
  must_be_filter(s);
  Bench bench(s, {.unheard_of = true});
  const ashlar_geometry& g = bench.device().raw_geometry();
  require((g.ops & unheard_of) == 0, "it offers an op that it cannot know");
  require((g.flags & unheard_of) == 0, "it offers a flag that it cannot know");
  require((g.traits & unheard_of) == 0, "it has a trait that it cannot know");
  bench.look();
}

// One request of any kind that the device offers.
void send_something(Bench& bench, Model& model, Random& random) {
  const Geometry& g = bench.geometry();
  const Op op = all_ops[random() % std::size(all_ops)];
  if (!bench.may_send(op)) return;
  const Range range = model.pick(random, model.longest(op, random() % 4 == 0 ? 4 * usual : usual));
  const std::vector<Flags> sets = flag_sets(g, op, true);
  const Flags flags = sets[random() % sets.size()];
  static_cast<void>(ask_and_follow(model, bench.device(), op, range, flags, random));
}

// The usual one, and odd ones.
std::vector<Under> usual_and_odd_layers() {
  std::vector<Under> all{Under{}};
  all.push_back({.geometry = [](Geometry& g) { g.flags = Flag::none; }});
  all.push_back({.geometry = [](Geometry& g) {
    g.ops = Op::read | Op::write;
    g.flags = Flag::none;
  }});
  all.push_back({.geometry = [](Geometry& g) {
    g.ops = Ops{Op::read};
    g.read_only = true;
  }});
  all.push_back({.geometry = [](Geometry& g) {
    g.ops = g.ops.without(Ops::writing());
    g.read_only = true;
  }});
  for (const std::uint32_t block : {512u, 4096u, 65536u})
    all.push_back({.geometry = [block](Geometry& g) {
      g.minimum = block;
      g.preferred = std::max(block, 4096u);
      g.maximum = std::max(block, 32768u);
      g.size += 100;  // within a block
    }});
  all.push_back({.geometry = [](Geometry& g) {
    g.flags = Flag::nowait | Flag::may_lend;
    g.ops = g.ops.without(Op::flush).without(Op::extents);
  }});
  all.push_back({.geometry = [](Geometry& g) { g.flags = Flag::fua | Flag::may_hole; }});
  return all;
}

// What reaches the layer below is what that offers, on its blocks, within its size, while the filter is asked.
void check_traffic(const Subject& s) {
  must_be_filter(s);
  over_layers(s, usual_and_odd_layers(), [&](Bench& bench) {
    Model model(bench.device());
    Random random(s.options.seed);
    for (Tries tries(s, 150, 60); tries.more();) send_something(bench, model, random);
    const Geometry& g = bench.geometry();
    require(!(g.ops & Ops::writing()).any() || !g.read_only, "it offers to change what it calls read-only");
  });
}

// A request that is made of a client's has its id. The layer is new each time: so what goes below is made of this
// request, and not of what was kept back from others.
void check_ids(const Subject& s) {
  must_be_filter(s);
  for (const Op op : all_ops) {
    Bench bench(s);
    const std::uint64_t n = short_length(bench.geometry());
    if (n == 0 || !bench.may_send(op)) continue;
    bench.disk().forget_calls();
    static_cast<void>(ask(bench.device(), op, {0, n}, Flag::none, Bytes(n)));
    std::vector<Disk::Call> calls = bench.disk().calls();
    if (std::ranges::any_of(calls, [op](const Disk::Call& call) { return call.op == op; }))
      std::erase_if(calls, [op](const Disk::Call& call) { return call.op != op; });
    if (!calls.empty() && std::ranges::all_of(calls, [](const Disk::Call& call) { return call.id == 0; }))
      throw Broken{"a " + std::string(name(op)) + " reached the layer below as " + calls[0].text() + " without its id"};
    bench.look();
  }
}

// The layer below is left alone when nothing is asked: in create, open, describe and destroy.
void check_idle(const Subject& s) {
  must_be_filter(s);
  Services services(s.options);
  Disk disk(Bench::usual_below(disk_sizes.at(s.size_index)));
  const auto connection = disk.connect();
  {
    Layer layer(s.module, services, s.options.given, s.watch);
    const Device device(layer, {.below = connection.get()});
    if (const std::uint64_t n = short_length(device.geometry())) read_all(device, 0, n);
    device.look();
  }
  connection->look();
  disk.look();
}

// How far a filter that only moves requests moves them; throws NotMade for one that does otherwise.
std::uint64_t moved_by(Bench& bench) {
  const Geometry& g = bench.geometry();
  const std::uint64_t n = usual;
  std::optional<std::uint64_t> by;
  if (g.size < 4 * n) throw NotMade{"the device is too small"};
  for (std::uint64_t offset = 0; offset < 4 * n; offset += n) {
    bench.disk().forget_calls();
    if (read(bench.device(), offset, g.maximum != 0 ? std::min<std::uint64_t>(n, g.maximum) : n).status.failed())
      continue;
    const auto calls = bench.disk().calls();
    if (calls.empty() || calls[0].op != Op::read || (by && calls[0].offset - offset != *by))
      throw NotMade{"it does more than move requests"};
    by = calls[0].offset - offset;
  }
  return *by;
}

// A request for `range` reaches the same place as others do: all of it, but for advice, and nothing beside.
void must_stay_in_place(const Disk& disk, Op op, Range range, std::uint64_t by) {
  const Request asked{.op = op, .offset = range.offset, .length = range.length};
  const std::uint64_t begin = range.offset + by, end = range.end() + by;
  std::uint64_t covered = begin;
  bool any = false;
  for (const Disk::Call& call : disk.calls()) {
    const bool same = call.op == op || (op == Op::zero && call.op == Op::write);
    if (!same) continue;
    any = true;
    if (call.offset < begin || call.end() > end)
      throw Broken{asked.text() + " reached the layer below as " + call.text() +
                   ", at another place than a read would"};
    if (call.offset <= covered) covered = std::max(covered, call.end());
  }
  if (!any && (op == Op::write || op == Op::zero)) throw NotMade{"it keeps what is written for later"};
  const bool advice = op == Op::trim || op == Op::cache || op == Op::extents;
  if (covered < end && !(advice && (!any || op == Op::extents)))
    throw Broken{asked.text() + " reached only a part of its place in the layer below"};
  if (op == Op::extents && any && covered == begin)
    throw Broken{asked.text() + " was asked of another place in the layer below"};
}

// Sends a read. Whether the filter answers it without the layer below; throws Broken when it gives other bytes than lie
// there.
bool reads_what_it_keeps(Bench& bench, Range range, std::uint64_t by) {
  const Read done = read(bench.device(), range.offset, range.length);
  for (const Disk::Call& call : bench.disk().calls())
    if (call.op == Op::read) return false;
  if (done.status.ok() && done.bytes != bench.disk().store().read(range.offset + by, range.length))
    throw Broken{Request{.op = Op::read, .offset = range.offset, .length = range.length}.text() +
                 " did not reach the layer below, and gave other bytes than lie there"};
  return true;
}

void check_place(const Subject& s) {
  must_be_filter(s);
  Bench bench(s, {.lends = Disk::Lends::never, .far = true});
  const std::uint64_t by = moved_by(bench);
  const Geometry& g = bench.geometry();
  Random random(s.options.seed);
  for (const Op op : all_ops) {
    if (op == Op::flush || !bench.may_send(op)) continue;
    if (Ops::writing().has(op) && bench.never_writes_below()) continue;
    for (const Range& place : places(g.size, Model::around)) {
      std::uint64_t n = std::min<std::uint64_t>(place.length, usual);
      if ((op == Op::read || op == Op::write) && g.maximum != 0) n = std::min<std::uint64_t>(n, g.maximum);
      for (const std::uint64_t offset : {place.offset / usual * usual, (place.end() - 1) / usual * usual}) {
        const Range range{offset, std::min(n, g.size - offset)};
        bench.disk().forget_calls();
        if (op != Op::read)
          static_cast<void>(ask(bench.device(), op, range, Flag::none, some_bytes(random, range.length)));
        else if (reads_what_it_keeps(bench, range, by)) continue;
        must_stay_in_place(bench.disk(), op, range, by);
      }
    }
  }
  bench.look();
}

// Ranges that reads of the whole device reach below.
class Reached {
 public:
  void add(Bench& bench) {
    const Geometry& g = bench.geometry();
    const std::uint64_t step =
        g.maximum != 0 ? std::min<std::uint64_t>(g.maximum, 1 << 20) / g.minimum * g.minimum : 1 << 20;
    for (std::uint64_t at = 0; at < g.size; at += step) {
      bench.disk().forget_calls();
      read_all(bench.device(), at, std::min(step, g.size - at));
      for (const Disk::Call& call : bench.disk().calls())
        if (call.op == Op::read) ranges_[call.offset] = std::max(ranges_[call.offset], call.end());
    }
  }
  // Where the first range behind `offset` begins that is not reached, and where that ends; `size`: none.
  Range gap(std::uint64_t offset, std::uint64_t size) const {
    std::uint64_t begin = offset;
    for (const auto& [from, to] : ranges_) {
      if (from > begin) return {begin, from - begin};
      begin = std::max(begin, to);
    }
    return {begin, begin < size ? size - begin : 0};
  }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

// What no read of the device reaches is not its own: no request changes it.
void check_beside(const Subject& s) {
  must_be_filter(s);
  Bench bench(s, {.lends = Disk::Lends::never});
  bench.need_writes();
  const std::uint64_t size = bench.disk().geometry().size;
  if (size > 128 << 20) throw NotMade{"the disk is too large"};
  Store before(size);
  before.copy(bench.disk().store(), 0, size);
  {
    Model model(bench.device());
    Random random(s.options.seed);
    for (Tries tries(s, 300, 60); tries.more();) change_something(model, random, 4 * usual);
    const Geometry& g = bench.geometry();
    for (const Op op : {Op::zero, Op::trim})
      if (g.ops.has(op)) static_cast<void>(act(bench.device(), op, 0, g.size));
    if (g.ops.has(Op::flush)) must(act(bench.device(), Op::flush, 0, 0), {.op = Op::flush});
  }
  Reached reached;
  reached.add(bench);
  bench.reopen();
  reached.add(bench);
  for (Range gap = reached.gap(0, size); gap.length != 0 && gap.offset < size; gap = reached.gap(gap.end(), size)) {
    const Bytes was = before.read(gap.offset, gap.length), is = bench.disk().store().read(gap.offset, gap.length);
    const auto differs = std::mismatch(was.begin(), was.end(), is.begin()).first;
    if (differs != was.end())
      throw Broken{"it changed byte " + std::to_string(gap.offset + static_cast<std::uint64_t>(differs - was.begin())) +
                   " of the layer below, which no read of it reaches"};
  }
  bench.look();
}

}  // namespace

std::span<const Check> below_checks() {
  static constexpr Check checks[] = {
      {"newer", "offers nothing newer than itself", &check_newer},
      {"traffic", "sends below only what is offered there", &check_traffic},
      {"ids", "what it makes of a request has the id of that", &check_ids},
      {"idle", "leaves the layer below alone when it is not asked", &check_idle},
      {"place", "sends each op to the place where reads go", &check_place},
      {"beside", "changes nothing below that is not its own", &check_beside},
  };
  return checks;
}

}  // namespace ashlar::check
