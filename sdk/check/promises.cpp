// Filters: promises that a request asks for, and whether they reach the layer below.
#include <bitset>
#include <map>

#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

constexpr Op writing[] = {Op::write, Op::zero, Op::trim};

void need_changes(Bench& bench, const Subject& s) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  bench.need_writes();
}

bool changes(const Disk::Call& call) { return Ops::writing().has(call.op); }

// Layers below that differ in their geometry; nullptr: the usual one.
std::vector<Under> layers(std::initializer_list<std::function<void(Geometry&)>> geometries) {
  std::vector<Under> all;
  for (const auto& geometry : geometries) all.push_back({.geometry = geometry});
  return all;
}

// Behind a request with FUA, all that it changed below was written with FUA, or was flushed.
void must_be_durable(const Disk& disk, const Request& request) {
  const auto calls = disk.calls();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (!changes(calls[i]) || calls[i].status.failed() || calls[i].flags.has(Flag::fua)) continue;
    const auto flushed = [](const Disk::Call& call) { return call.op == Op::flush && call.status.ok(); };
    if (std::any_of(calls.begin() + static_cast<std::ptrdiff_t>(i), calls.end(), flushed)) continue;
    throw Broken{request.text() + " succeeded, and its " + calls[i].text() +
                 " below had neither fua nor a flush behind it"};
  }
}

void check_fua(const Subject& s) {
  over_layers(s,
              layers({nullptr, [](Geometry& g) { g.flags = g.flags.without(Flag::fua); },
                      [](Geometry& g) { g.ops = g.ops.without(Op::flush); }, [](Geometry& g) { g.ops = plain_ops; },
                      [](Geometry& g) { g.ops = Op::read | Op::write; },
                      [](Geometry& g) {
                        g.minimum = 512;
                        g.maximum = 32768;
                      },
                      [](Geometry& g) {
                        g.flags = g.flags.without(Flag::fua);
                        g.ops = g.ops.without(Op::flush);
                      }}),
              [&](Bench& bench) {
                need_changes(bench, s);
                const Geometry& g = bench.geometry();
                if (!g.flags.has(Flag::fua)) throw NotMade{"it does not know fua"};
                Model model(bench.device());
                Random random(s.options.seed);
                for (Tries tries(s, 120, 60); tries.more();) {
                  const Op op = writing[random() % 3];
                  if (!g.ops.has(op)) continue;
                  std::vector<Flags> sets = flag_sets(g, op, true);
                  std::erase_if(sets, [](Flags f) { return !f.has(Flag::fua); });
                  const Range range =
                      model.pick(random, model.longest(op, tries.number() % 4 == 0 ? 4 * usual : usual));
                  const Flags flags = sets[random() % sets.size()];
                  bench.disk().forget_calls();
                  const Request request{.op = op, .offset = range.offset, .length = range.length, .flags = flags};
                  if (ask(bench.device(), op, range, flags, some_bytes(random, range.length)).ok())
                    must_be_durable(bench.disk(), request);
                }
              });
}

// A zero with FAST goes below as one, or is refused with nothing changed.
void ask_fast(const Subject& s, Bench& bench, bool fast_below) {
  need_changes(bench, s);
  const Geometry& g = bench.geometry();
  if (!g.ops.has(Op::zero) || !g.flags.has(Flag::fast)) throw NotMade{"it does not know fast"};
  Model model(bench.device());
  Random random(s.options.seed);
  for (Tries tries(s, 100, 50); tries.more();) {
    std::vector<Flags> sets = flag_sets(g, Op::zero, true);
    std::erase_if(sets, [](Flags f) { return !f.has(Flag::fast); });
    const Flags flags = sets[random() % sets.size()];
    const Range range = model.pick(random, usual);
    const Request request{.op = Op::zero, .offset = range.offset, .length = range.length, .flags = flags};
    bench.disk().forget_calls();
    const Status status = act(bench.device(), Op::zero, range.offset, range.length, flags);
    for (const Disk::Call& call : bench.disk().calls())
      if (changes(call) && (call.op != Op::zero || !call.flags.has(Flag::fast)))
        throw Broken{request.text() + " reached the layer below as " + call.text() + ", which is not fast"};
    if (status == Status::would_block()) continue;
    if (status.ok()) {
      require(fast_below, request.text() + " succeeded over a layer that cannot zero fast");
      model.put_zeroes(range);
    } else {
      require(status == Status::not_supported(), request.text() + " answered " + std::to_string(status.code()));
    }
    model.compare_around(range, request.text() + " answered " + std::to_string(status.code()));
  }
}

void check_fast(const Subject& s) {
  over_layers(s, layers({nullptr, [](Geometry& g) { g.minimum = 512; }}),
              [&](Bench& bench) { ask_fast(s, bench, true); });
  over_layers(s,
              layers({nullptr, [](Geometry& g) { g.flags = g.flags.without(Flag::fast); },
                      [](Geometry& g) { g.ops = g.ops.without(Op::zero); }}),
              [&](Bench& bench) {
                bench.need_writes_below();
                bench.disk().judge([](const Disk::Call& call, std::size_t) {
                  const bool refused = call.op == Op::zero && call.flags.has(Flag::fast);
                  return refused ? Status::not_supported() : Status::success();
                });
                ask_fast(s, bench, false);
              });
}

// What is to stay provisioned is neither trimmed nor zeroed with MAY_TRIM. Of a plugin this cannot be seen: its extents
// may call holes what is provisioned, as file systems do with what was allocated and not written (lseek(2), SEEK_HOLE).
void check_may_trim(const Subject& s) {
  over_layers(
      s, layers({nullptr, [](Geometry& g) { g.minimum = 512; }, [](Geometry& g) { g.zero_may_fail = true; }}),
      [&](Bench& bench) {
        need_changes(bench, s);
        const Geometry& g = bench.geometry();
        if (!g.ops.has(Op::zero)) throw NotMade{"it does not zero"};
        const Model model(bench.device());
        Random random(s.options.seed);
        for (Tries tries(s, 60, 40); tries.more();) {
          const Op op = g.ops.has(Op::write) && tries.number() % 4 == 0 ? Op::write : Op::zero;
          std::vector<Flags> sets = flag_sets(g, op, true);
          std::erase_if(sets, [](Flags f) { return f.has(Flag::may_trim); });
          const Range range = model.pick(random, model.longest(op, usual));
          const Request request{
              .op = op, .offset = range.offset, .length = range.length, .flags = sets[random() % sets.size()]};
          bench.disk().forget_calls();
          static_cast<void>(ask(bench.device(), op, range, request.flags, Bytes(range.length)));
          for (const Disk::Call& call : bench.disk().calls())
            if (call.op == Op::trim || (call.op == Op::zero && call.flags.has(Flag::may_trim)))
              throw Broken{request.text() + " reached the layer below as " + call.text() + ", which may deallocate it"};
        }
      });
}

// A request with NOWAIT has the layer below do nothing that may wait.
void check_nowait_below(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  over_layers(
      s,
      layers({nullptr,
              [](Geometry& g) { g.flags = g.flags.without(Flag::nowait | Flag::may_lend_cold | Flag::lend_only); },
              [](Geometry& g) { g.minimum = 512; },
              [](Geometry& g) { g.ops = g.ops.without(Op::zero).without(Op::trim); }}),
      [&](Bench& bench) {
        const Geometry& g = bench.geometry();
        if (!g.flags.has(Flag::nowait)) throw NotMade{"it does not know nowait"};
        const Model model(bench.device());
        Random random(s.options.seed);
        for (Tries tries(s, 200, 100); tries.more();) {
          // By turns all of it would block below, a part, and nothing.
          bench.disk().judge([turn = tries.number() % 3](const Disk::Call& call, std::size_t number) {
            const bool blocks = call.flags.has(Flag::nowait) && (turn == 1 || (turn == 2 && number % 2 == 1));
            return blocks ? Status::would_block() : Status::success();
          });
          const Op op = all_ops[random() % std::size(all_ops)];
          if (!bench.may_send(op)) continue;
          std::vector<Flags> sets = flag_sets(g, op, true);
          std::erase_if(sets, [](Flags f) { return !f.has(Flag::nowait); });
          const Flags flags = sets[random() % sets.size()];
          const Range range = op == Op::flush ? Range{0, 0} : model.pick(random, model.longest(op, usual));
          const Request request{.op = op, .offset = range.offset, .length = range.length, .flags = flags};
          bench.disk().forget_calls();
          static_cast<void>(ask(bench.device(), op, range, flags, Bytes(range.length)));
          for (const Disk::Call& call : bench.disk().calls())
            if (!call.flags.has(Flag::nowait))
              throw Broken{request.text() + " reached the layer below as " + call.text() + ", which may wait"};
        }
      });
}

std::vector<Range> both_ends(std::uint64_t size) {
  constexpr std::uint64_t some = 24 << 10;
  if (size <= 4 * some) return {{0, size}};
  return {{0, some}, {size - some, some}};
}

// What each byte may hold after a power cut: what was durable, or anything written since.
class Possible {
 public:
  explicit Possible(const Model& model) {
    for (const Range& place : model.places()) {
      const auto bytes = model.bytes(place);
      std::vector<std::bitset<256>>& sets = sets_[place.offset];
      for (const std::byte b : bytes) sets.emplace_back().set(static_cast<std::size_t>(b));
    }
  }
  // `model` knows what the range holds now; `durable`: nothing else may be there any more.
  void add(const Model& model, Range range, bool durable) {
    for (auto& [offset, sets] : sets_) {
      const std::uint64_t begin = std::max(offset, range.offset), end = std::min(offset + sets.size(), range.end());
      if (begin >= end) continue;
      const auto bytes = model.bytes({begin, end - begin});
      for (std::uint64_t i = 0; i < end - begin; ++i) {
        auto& set = sets[begin - offset + i];
        if (durable) set.reset();
        set.set(static_cast<std::size_t>(bytes[i]));
      }
    }
  }
  void add_anything(Range range) {
    for (auto& [offset, sets] : sets_)
      for (std::uint64_t i = std::max(offset, range.offset); i < std::min(offset + sets.size(), range.end()); ++i)
        sets[i - offset].set();
  }
  void must_hold(const Device& device, const std::string& since) const {
    for (const auto& [offset, sets] : sets_) {
      const Bytes found = read_all(device, offset, sets.size());
      for (std::size_t i = 0; i < sets.size(); ++i)
        if (!sets[i].test(static_cast<std::size_t>(found[i])))
          throw Broken{"after a power cut byte " + std::to_string(offset + i) + " is not what was made durable by " +
                       since};
    }
  }

 private:
  std::map<std::uint64_t, std::vector<std::bitset<256>>> sets_;  // by the place's offset
};

// Changes at random; now and then a flush, then the power goes.
std::string live_until_power_goes(const Subject& s, Bench& bench, Model& model, Possible& possible, Random& random) {
  const Geometry& g = bench.geometry();
  std::string last = "an earlier flush";
  for (Tries tries(s, 25, 25); tries.more();) {
    const Op op = random() % 5 == 0 ? Op::flush : writing[random() % 3];
    if (!g.ops.has(op)) continue;
    if (op == Op::flush) {
      must(act(bench.device(), Op::flush, 0, 0), {.op = Op::flush});
      for (const Range& place : model.places()) possible.add(model, place, true);
      last = "flush";
      continue;
    }
    const std::vector<Flags> sets = flag_sets(g, op, false);
    const Range range = model.pick(random, std::min<std::uint64_t>(model.longest(op, 16 << 10), 16 << 10));
    const Flags flags = sets[random() % sets.size()];
    const bool done = change(model, bench.device(), op, range, flags, random).ok();
    if (op == Op::trim) possible.add_anything(range);
    else possible.add(model, range, done && flags.has(Flag::fua));
    if (done && flags.has(Flag::fua))
      last = Request{.op = op, .offset = range.offset, .length = range.length, .flags = flags}.text();
  }
  return last;
}

void check_power(const Subject& s) {
  over_layers(s,
              layers({nullptr, [](Geometry& g) { g.flags = g.flags.without(Flag::fua); },
                      [](Geometry& g) { g.ops = plain_ops; }, [](Geometry& g) { g.minimum = 4096; }}),
              [&](Bench& bench) {
                need_changes(bench, s);
                bench.need_writes_below();
                const Geometry g = bench.geometry();
                if (!g.ops.has(Op::flush) && !g.flags.has(Flag::fua)) throw NotMade{"it knows neither flush nor fua"};
                Random random(s.options.seed);
                for (Tries tries(s, 4, 2); tries.more();) {
                  std::string last;
                  std::optional<Possible> possible;
                  {
                    Model model(bench.device(), both_ends(g.size));
                    possible.emplace(model);
                    // What the disk held before is durable.
                    if (g.ops.has(Op::flush)) must(act(bench.device(), Op::flush, 0, 0), {.op = Op::flush});
                    last = live_until_power_goes(s, bench, model, *possible, random);
                  }
                  bench.lose_power();
                  possible->must_hold(bench.device(), last);
                }
              });
}

// Of many flushes, each counts: the power goes right behind the first, the second, and so on.
void check_each_flush(const Subject& s) {
  Bench bench(s);
  need_changes(bench, s);
  bench.need_writes_below();
  const Geometry g = bench.geometry();
  if (!g.ops.has(Op::flush)) throw NotMade{"it does not flush"};
  const std::uint64_t n = short_length(g);
  if (n == 0) throw NotMade{"the device is empty"};
  Random random(s.options.seed);
  for (Tries tries(s, 40, 40); tries.more();) {
    Bytes bytes;
    for (int flushes = 0; flushes <= tries.number(); ++flushes) {
      bytes = some_bytes(random, n);
      must(write(bench.device(), 0, bytes), {.op = Op::write, .offset = 0, .length = n});
      must(act(bench.device(), Op::flush, 0, 0), {.op = Op::flush});
    }
    bench.lose_power();
    require(read_all(bench.device(), 0, n) == bytes,
            "what was written before flush " + std::to_string(tries.number() + 1) + " was gone after a power cut");
  }
  bench.look();
}

// Who does not say that zeroing may fail cannot hand on that the layer below has refused it.
void check_zero_may_fail(const Subject& s) {
  over_layers(s,
              layers({[](Geometry& g) { g.zero_may_fail = true; },
                      [](Geometry& g) {
                        g.zero_may_fail = true;
                        g.minimum = 512;
                      }}),
              [&](Bench& bench) {
                need_changes(bench, s);
                const Geometry& g = bench.geometry();
                if (!g.ops.has(Op::zero)) throw NotMade{"it does not zero"};
                bench.disk().judge([](const Disk::Call& call, std::size_t) {
                  return call.op == Op::zero ? Status::not_supported() : Status::success();
                });
                Model model(bench.device());
                Random random(s.options.seed);
                for (Tries tries(s, 40, 20); tries.more();) {
                  const Range range = model.pick(random, usual);
                  const std::string text =
                      Request{.op = Op::zero, .offset = range.offset, .length = range.length}.text();
                  const Status status = act(bench.device(), Op::zero, range.offset, range.length);
                  if (status.ok()) model.put_zeroes(range);
                  else if (!g.zero_may_fail || status != Status::not_supported())
                    throw Broken{text + " answered " + std::to_string(status.code()) +
                                 ", as the layer below did, and it does not say that zeroing may fail"};
                  else model.reload(range, false);
                  model.compare_around(range, text + " was refused below");
                }
              });
}

}  // namespace

std::span<const Check> promise_checks() {
  static constexpr Check checks[] = {
      {"fua", "fua reaches the layer below, or a flush does", &check_fua},
      {"fast", "fast reaches the layer below, or is refused", &check_fast},
      {"may-trim", "what may not be trimmed stays provisioned", &check_may_trim},
      {"nowait-below", "nowait reaches the layer below", &check_nowait_below},
      {"zero-may-fail", "zeroing fails only where it is said to", &check_zero_may_fail},
      {"each-flush", "no flush is left out", &check_each_flush},
      {"power", "what was flushed or had fua is there after a power cut", &check_power},
  };
  return checks;
}

}  // namespace ashlar::check
