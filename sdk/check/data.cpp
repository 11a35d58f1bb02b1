// Requests, against a model of what the device holds.
#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

// The layers below that data are checked over: a filter may do otherwise over each.
std::vector<Under> layers_for_data() {
  std::vector<Under> all{Under{}};
  all.push_back({.geometry = [](Geometry& g) {
    g.ops = Op::read | Op::write;
    g.flags = Flag::none;
  }});
  all.push_back({.geometry = [](Geometry& g) {
    g.minimum = 512;
    g.maximum = 32768;
    g.ops = g.ops.without(Op::zero).without(Op::trim);
  }});
  all.push_back({.geometry = [](Geometry& g) {
    g.minimum = g.preferred = g.maximum = 4096;
    g.flags = g.flags.without(Flag::fua);
    g.zero_may_fail = true;
  }});
  return all;
}

void read_all_over(const Subject& s, Bench& bench) {
  const Model model(bench.device());
  Random random(s.options.seed);
  for (Tries tries(s, 300); tries.more();) {
    const Range range = model.pick(random, model.longest(Op::read, tries.number() % 8 == 0 ? large : usual));
    model.compare(range);
  }
  const Geometry& g = bench.geometry();
  const std::uint64_t last = (g.size - 1) / g.minimum * g.minimum;
  model.compare({last, g.size - last});
}

// The same read several times in a row, and reads one behind the other, forwards and backwards: a module may read on,
// or keep what was asked for often.
void read_in_a_row(Bench& bench) {
  const Model model(bench.device());
  const Geometry& g = bench.geometry();
  const Range& place = model.places().front();
  const std::uint64_t n = std::max<std::uint64_t>(g.minimum, 4096);
  const std::uint64_t pieces = std::min<std::uint64_t>(place.length / n, 24);
  for (std::uint64_t i = 0; i < pieces; ++i) {
    for (int again = 0; again < 5; ++again) model.compare({place.offset + i * n, n});
    if (i >= 2) break;
  }
  for (std::uint64_t i = 0; i < pieces; ++i) model.compare({place.offset + i * n, n});
  for (std::uint64_t i = pieces; i != 0; --i) model.compare({place.offset + (i - 1) * n, n});
}

void check_reads(const Subject& s) {
  over_layers(s, layers_for_data(), [&](Bench& bench) {
    read_all_over(s, bench);
    read_in_a_row(bench);
  });
}

// A write of zeroes over data, and one that has a block of them, which a module may store without writing it.
void write_zeroes(Model& model, Random& random) {
  const Geometry& g = model.geometry();
  for (const std::uint64_t wanted : {std::uint64_t{512}, std::uint64_t{4096}, std::uint64_t{64} << 10, large}) {
    const std::uint64_t length =
        std::min(model.longest(Op::write, wanted), model.places().front().length) / g.minimum * g.minimum;
    const Range range{model.places().front().offset, length};
    if (length == 0) continue;
    Bytes bytes(length);
    for (const bool all : {true, false}) {
      static_cast<void>(change(model, model.device(), Op::write, range, Flag::none, random));
      if (!all) bytes = some_bytes(random, length);
      if (!all) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(length / 2), length / 4, std::byte{0});
      must(write(model.device(), range.offset, bytes), {.op = Op::write, .offset = range.offset, .length = length});
      model.put(range.offset, bytes);
      model.compare_around(range, "zeroes were written over data");
    }
  }
}

void change_all_over(const Subject& s, Bench& bench, int most) {
  bench.need_writes();
  Model model(bench.device());
  Random random(s.options.seed);
  for (Tries tries(s, most, 40); tries.more();)
    change_something(model, random, tries.number() % 8 == 0 ? large : usual, Payload::zeroes_too);
  write_zeroes(model, random);
  const Geometry& g = bench.geometry();
  if (g.ops.has(Op::flush)) must(act(bench.device(), Op::flush, 0, 0), {.op = Op::flush});
  model.compare_all(bench.device());
  if (!s.is_filter() && !g.multi_conn) return;
  model.compare_all(bench.open(!bench.writes())->device, "it was opened anew");
}

void check_changes(const Subject& s) {
  over_layers(s, layers_for_data(), [&](Bench& bench) { change_all_over(s, bench, 400); });
}

// Each op at each of the places, beside data: in the middle of it, in its first and its last block.
void change_each_place(Bench& bench, Random& random) {
  Model model(bench.device());
  const Geometry& g = bench.geometry();
  const auto send = [&](Op op, std::uint64_t begin, std::uint64_t end) {
    begin = begin / g.minimum * g.minimum;
    const std::uint64_t whole = end - begin, longest = model.longest(op, whole);
    const std::uint64_t length = longest == whole ? whole : longest / g.minimum * g.minimum;
    const std::vector<Flags> sets = flag_sets(g, op, false);
    static_cast<void>(change(model, bench.device(), op, {begin, length}, sets[random() % sets.size()], random));
  };
  for (const Op op : {Op::write, Op::trim, Op::zero}) {
    if (!g.ops.has(op)) continue;
    for (const Range& place : model.places())
      for (std::uint64_t at = place.offset; at < place.end(); at += 65536)
        send(Op::write, at, std::min(at + 65536, place.end()));
    model.compare_all(bench.device(), "each place was written");
    for (const Range& place : model.places()) {
      const std::uint64_t third = place.length / 3 / g.minimum * g.minimum;
      send(op, place.offset, std::min<std::uint64_t>(place.offset + g.minimum, place.end()));
      if (third != 0) send(op, place.offset + third, place.offset + 2 * third);
      send(op, (place.end() - 1) / g.minimum * g.minimum, place.end());
      model.compare_all(bench.device(), std::string("a ") + name(op) + " at " + std::to_string(place.offset));
    }
  }
}

void check_places(const Subject& s) {
  Bench bench(s, {.far = s.is_filter()});
  Random random(s.options.seed);
  if (bench.writes()) change_each_place(bench, random);
  else read_all_over(s, bench);
  bench.look();
}

// `small_pieces`: of the whole disk there would be more of them than anybody could be told of.
void tell_all_over(const Subject& s, Bench& bench, bool far, bool small_pieces = false) {
  const Geometry& g = bench.geometry();
  if (!g.ops.has(Op::extents)) throw NotMade{"it does not tell extents"};
  Model model(bench.device());
  Random random(s.options.seed);
  const bool writes = bench.writes() && !far;
  for (Tries tries(s, 200); tries.more();) {
    if (writes && tries.number() % 2 == 0) change_something(model, random, usual);
    const Range range = model.pick(random, tries.number() % 4 == 0 ? large : usual);
    const std::vector<Flags> sets = flag_sets(g, Op::extents, false);
    const Flags flags = sets[random() % sets.size()];
    const Request request{.op = Op::extents, .offset = range.offset, .length = range.length, .flags = flags};
    const Told told = extents(bench.device(), range.offset, range.length, flags, random() % 3);
    must(told.status, request);
    model.compare_extents(range, told, request.text());
  }
  if (small_pieces) return;
  const Request whole{.op = Op::extents, .offset = 0, .length = g.size};
  const Told told = extents(bench.device(), 0, g.size);
  must(told.status, whole);
  model.compare_extents({0, g.size}, told, whole.text());
}

void check_extents(const Subject& s) {
  over_layers(s, layers_for_data(), [&](Bench& bench) { tell_all_over(s, bench, false); });
  if (!s.is_filter()) return;
  {
    Bench bench(s, {.far = true});
    tell_all_over(s, bench, true);
  }
  for (const auto& [bytes, most] : {std::pair{std::uint64_t{512}, std::size_t{1}},
                                    {std::uint64_t{700}, std::size_t{0}},
                                    {std::uint64_t{0}, std::size_t{2}},
                                    {std::uint64_t{1000}, std::size_t{3}}}) {
    Bench bench(s);
    bench.disk().tell_extents_in(bytes, most);
    tell_all_over(s, bench, false, bytes != 0 && most == 0);
    bench.look();
  }
}

// Beyond what one request on the wire can have: 4 GiB and more.
void check_long(const Subject& s) {
  Bench bench(s, {.far = s.is_filter()});
  bench.need_writes();
  Model model(bench.device());
  const Geometry& g = bench.geometry();
  const std::uint64_t begin = 128 << 10, length = (std::uint64_t{4} << 30) + (64 << 10);
  if (g.size < begin + length + (1 << 20)) throw NotMade{"the device is too small"};
  Random random(s.options.seed);
  bool done = false;
  // A plugin that has to write so many zeroes would take too long: only what is fast.
  const Flags fast = g.flags & (Flag::fast | Flag::may_trim);
  for (const Op op : {Op::trim, Op::zero}) {
    if (!g.ops.has(op) || (op == Op::zero && !fast.has(Flag::fast))) continue;
    for (const Range& place : model.places())
      static_cast<void>(change(model, bench.device(), Op::write,
                               {place.offset, model.longest(Op::write, place.length) / g.minimum * g.minimum},
                               Flag::none, random));
    static_cast<void>(change(model, bench.device(), op, {begin, length}, op == Op::zero ? fast : Flag::none, random));
    model.compare_all(bench.device(), Request{.op = op, .offset = begin, .length = length}.text());
    done = true;
  }
  if (g.ops.has(Op::extents)) {
    must(extents(bench.device(), begin, length).status, {.op = Op::extents, .offset = begin, .length = length});
    done = true;
  }
  bench.look();
  if (!done) throw NotMade{"it has no op that may be so long"};
}

void check_cache(const Subject& s) {
  Bench bench(s);
  if (!bench.geometry().ops.has(Op::cache)) throw NotMade{"it does not cache"};
  const Model model(bench.device());
  Random random(s.options.seed);
  for (Tries tries(s, 40); tries.more();) {
    const Range range = model.pick(random, usual);
    must(act(bench.device(), Op::cache, range.offset, range.length),
         {.op = Op::cache, .offset = range.offset, .length = range.length});
    model.compare_around(range, "cache");
  }
  bench.look();
}

}  // namespace

std::span<const Check> data_checks() {
  static constexpr Check checks[] = {
      {"reads", "reads give the same bytes each time, to the end", &check_reads},
      {"writes", "writes, zeroes and trims are as a model has them", &check_changes},
      {"places", "so are those far behind, and at the last byte", &check_places},
      {"long", "so are zeroes and trims of more than 4 GiB", &check_long},
      {"extents", "extents are true, and no more than asked for", &check_extents},
      {"cache", "cache changes nothing", &check_cache},
  };
  return checks;
}

}  // namespace ashlar::check
