// Several connections, several threads.
#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

// Whether what `device` tells of the range, and reads there by any way, is what the model has.
void look_by(const Device& device, const Model& model, Range range, Random& random, const char* after) {
  const Geometry& g = device.geometry();
  for (const Flags flags : {Flag::none, Flag::nowait, Flag::may_lend, Flag::may_hole, Flag::nowait | Flag::may_hole})
    if (g.flags.has(flags)) model.compare(device, range, flags, after);
  if (!g.ops.has(Op::extents)) return;
  const std::vector<Flags> sets = flag_sets(g, Op::extents, false);
  const Flags flags = sets[random() % sets.size()];
  const Request request{.op = Op::extents, .offset = range.offset, .length = range.length, .flags = flags};
  const Told told = extents(device, range.offset, range.length, flags);
  must(told.status, request);
  model.compare_extents(range, told, request.text() + ", after " + after + ",");
}

// What one connection has written, and flushed or not, the others read. Flush by another covers it, too.
void check_connections(const Subject& s) {
  Bench bench(s);
  bench.need_writes();
  if (!bench.geometry().multi_conn) throw NotMade{"it does not say multi_conn"};
  Model model(bench.device());
  const auto other = bench.open();
  const auto third = bench.open();
  Random random(s.options.seed);
  const Geometry& g = bench.geometry();
  const Device* const devices[] = {&bench.device(), &other->device, &third->device};
  for (Tries tries(s, 100); tries.more();) {
    const Device& by = *devices[random() % 3];
    const Device& reader = *devices[random() % 3];
    const Op op = random() % 2 == 0 && g.ops.has(Op::zero) ? Op::zero : Op::write;
    const Range range = model.pick(random, model.longest(op, usual));
    const Flags flags = random() % 2 == 0 ? g.flags & Flag::fua : Flag::none;
    static_cast<void>(change(model, by, op, range, flags, random));
    const Device& flusher = *devices[random() % 3];
    if (!flags.any() && g.ops.has(Op::flush)) must(act(flusher, Op::flush, 0, 0), {.op = Op::flush});
    look_by(reader, model, range, random, "another connection wrote and flushed it");
  }
  for (const Device* device : devices) model.compare_all(*device);
  bench.look();
}

// Through a device that is opened to be read only, too, one sees what is written through others; and it is the same
// disk.
void check_seen_read_only(const Subject& s) {
  Bench bench(s);
  bench.need_writes();
  Model model(bench.device());
  Random random(s.options.seed);
  const auto early = bench.open(true);
  require(early->device.geometry().size == bench.geometry().size,
          "a device that is opened to be read only has another size");
  for (Tries tries(s, 60); tries.more();) {
    const Op op = random() % 2 == 0 && bench.geometry().ops.has(Op::zero) ? Op::zero : Op::write;
    const Range range = model.pick(random, model.longest(op, usual));
    static_cast<void>(change(model, bench.device(), op, range, Flag::none, random));
    if (bench.geometry().ops.has(Op::flush)) must(act(bench.device(), Op::flush, 0, 0), {.op = Op::flush});
    constexpr const char* after = "it was written and flushed through another device";
    look_by(early->device, model, range, random, after);
    if (tries.number() % 8 == 0) look_by(bench.open(true)->device, model, range, random, after);
  }
  model.compare_all(early->device);
  early->look();
  bench.look();
}

// A flush by one connection makes durable what the others have written, and a layer below that does not promise as much
// cannot be all there is to it.
void flush_for_all(const Subject& s, Bench& bench) {
  bench.need_writes();
  bench.need_writes_below();
  const Geometry g = bench.geometry();
  if (!g.multi_conn) throw NotMade{"it does not say multi_conn"};
  if (!g.ops.has(Op::flush)) throw NotMade{"it does not flush"};
  Random random(s.options.seed);
  const std::uint64_t n = short_length(g);
  const Bytes bytes = some_bytes(random, n);
  {
    const auto other = bench.open();
    must(write(bench.device(), 0, bytes), {.op = Op::write, .offset = 0, .length = n});
    must(act(other->device, Op::flush, 0, 0), {.op = Op::flush});
  }
  bench.lose_power();
  require(read_all(bench.device(), 0, n) == bytes,
          "what one connection wrote and another flushed was gone after a power cut");
}

// A filter that keeps writes back, or knows which are to be flushed, may look at its own connection's alone, over a
// layer whose flush covers all of them, too.
void check_flush_for_all(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  over_layers(s, {{.geometry = [](Geometry& g) { g.multi_conn = false; }}, {}},
              [&](Bench& bench) { flush_for_all(s, bench); });
}

// What is written stays when the connection is closed.
void check_closed(const Subject& s) {
  Bench bench(s);
  bench.need_writes();
  if (!bench.geometry().multi_conn && !s.is_filter()) throw NotMade{"it does not say multi_conn"};
  Model model(bench.device());
  Random random(s.options.seed);
  for (int i = 0; i < 10; ++i) {
    const auto opened = bench.open();
    const Range range = model.pick(random, model.longest(Op::write, usual));
    static_cast<void>(change(model, opened->device, Op::write, range, Flag::none, random));
    if (i % 2 == 0 && bench.geometry().ops.has(Op::flush))
      must(act(opened->device, Op::flush, 0, 0), {.op = Op::flush});
  }
  model.compare_all(bench.open()->device, "the connection that wrote it was closed");
  if (bench.geometry().multi_conn) model.compare_all(bench.device(), "other connections were closed");
  bench.look();
}

// Holds each call that reaches one of the disks until another one has come: so calls above overlap on a machine that
// has no processor free for a second thread, too. Calls that never overlap, as under a lock, go on after a while.
class Overlap {
 public:
  explicit Overlap(std::vector<Disk*> disks) : disks_(std::move(disks)) {
    for (Disk* disk : disks_)
      disk->judge([this](const Disk::Call&, std::size_t) {
        wait_for_another();
        return Status::success();
      });
  }
  // Once no call is under way.
  ~Overlap() {
    for (Disk* disk : disks_) disk->judge({});
  }
  Overlap(const Overlap&) = delete;
  Overlap& operator=(const Overlap&) = delete;

 private:
  void wait_for_another() {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = ++come_;
    another_.notify_all();
    another_.wait_for(lock, std::chrono::microseconds(500), [&] { return come_ != mine; });
  }

  const std::vector<Disk*> disks_;
  std::mutex mutex_;
  std::condition_variable another_;
  std::uint64_t come_ = 0;
};

// What each thread does: on pieces that lie between those of the others, or on a part of its own; by a device of its
// own and one that they all share, or by that alone, as without multi_conn what others write may not be seen.
struct Way {
  bool adjacent;
  bool one_device;
  std::uint64_t piece;  // bytes
};

class OneOfMany {
 public:
  OneOfMany(Bench& bench, std::uint64_t number, Way way, std::uint64_t seed)
      : bench_(bench), number_(number), way_(way), random_(seed + number) {}

  // Returns how it was broken; empty: it was not.
  std::string run(const Subject& s) {
    try {
      if (way_.one_device) {
        work(s, bench_.device());
        return {};
      }
      const auto own = bench_.open(!bench_.writes());
      work(s, own->device);
      return {};
    } catch (const Broken& b) {
      return b.how;
    } catch (const Refused& r) {
      return r.what();
    } catch (const NotMade&) {
      return {};
    } catch (const std::exception& e) {
      return e.what();
    }
  }

 private:
  // Its ranges: a part of its own, or pieces that lie between those of the others.
  Range pick(const Geometry& g) {
    const std::uint64_t most = g.maximum == 0 ? way_.piece : std::min<std::uint64_t>(way_.piece, g.maximum);
    const std::uint64_t piece = std::max<std::uint64_t>(g.minimum, most / g.minimum * g.minimum);
    const std::uint64_t pieces = std::min<std::uint64_t>(g.size, 1 << 20) / piece / threads;
    if (pieces == 0) throw NotMade{"the device is too small"};
    const std::uint64_t mine = random_() % pieces;
    return {(way_.adjacent ? mine * threads + number_ : number_ * pieces + mine) * piece, piece};
  }
  void work(const Subject& s, const Device& own) {
    const Geometry& g = own.geometry();
    std::map<std::uint64_t, Bytes> held;
    for (Tries tries = Tries(s, 200).among_threads(); tries.more();) {
      const Range range = pick(g);
      const Device& device = tries.number() % 2 == 0 || !g.multi_conn ? own : bench_.device();
      if (bench_.writes()) {
        held[range.offset] = change_it(device, range);
      } else if (!held.contains(range.offset)) {
        held[range.offset] = read_all(device, range.offset, range.length);
      }
      const Range look = held.contains(range.offset) ? range : Range{held.begin()->first, range.length};
      compare(tries.number() % 3 == 0 || !g.multi_conn ? own : bench_.device(), look, held[look.offset]);
    }
    for (const auto& [offset, bytes] : held) compare(own, {offset, bytes.size()}, bytes);
  }
  // Writes or zeroes the range; now and then others ask for something beside it.
  Bytes change_it(const Device& device, Range range) {
    const Geometry& g = device.geometry();
    const Op op = random_() % 4 == 0 && g.ops.has(Op::zero) && !g.zero_may_fail ? Op::zero : Op::write;
    const Bytes bytes = op == Op::zero ? Bytes(range.length) : some_bytes(random_, range.length);
    const Request request{.op = op, .offset = range.offset, .length = range.length};
    must(ask(device, op, range, Flag::none, bytes), request);
    constexpr Op others[] = {Op::flush, Op::cache, Op::extents, Op::read, Op::read, Op::read};
    if (const Op other = others[random_() % std::size(others)]; other != Op::read && g.ops.has(other))
      must(ask(device, other, range), {.op = other, .offset = range.offset, .length = range.length});
    return bytes;
  }
  void compare(const Device& device, Range range, const Bytes& wanted) {
    const Bytes got = read_all(device, range.offset, range.length);
    if (got != wanted)
      throw Broken{Request{.op = Op::read, .offset = range.offset, .length = range.length}.text() +
                   " gave other bytes than were written, while other threads wrote beside it"};
  }

 public:
  static constexpr std::uint64_t threads = 4;

 private:
  Bench& bench_;
  const std::uint64_t number_;
  const Way way_;
  Random random_;
};

void check_threads(const Subject& s) {
  if (!s.is_parallel()) throw NotMade{"it is serial"};
  for (const Way way : {Way{false, false, 512}, {true, false, 100}, {false, true, 4096}, {true, true, 20000}}) {
    Bench bench(s);
    const Overlap overlap(s.is_filter() ? std::vector{&bench.disk()} : std::vector<Disk*>{});
    std::array<std::string, OneOfMany::threads> how;
    std::vector<std::thread> all;
    for (std::uint64_t i = 0; i < how.size(); ++i)
      all.emplace_back([&, i] { how[i] = OneOfMany(bench, i, way, s.options.seed).run(s); });
    for (std::thread& t : all) t.join();
    for (const std::string& text : how) require(text.empty(), text);
    bench.look();
  }
}

// Asks one of two layers while the other is asked, too. `writes`: what one is told the other does not see: where both
// lie over the same bytes, these are only read.
std::string ask_beside_another(const Subject& s, Bench& bench, std::uint64_t seed, bool writes) {
  try {
    Model model(bench.device());
    Random random(seed);
    for (Tries tries = Tries(s, 300, 60).among_threads(); tries.more();) {
      if (writes) change_something(model, random, 4 * usual);
      model.compare(model.pick(random, model.longest(Op::read, usual)));
    }
    return {};
  } catch (const Broken& b) {
    return b.how + ", while another layer was at work";
  } catch (const std::exception& e) {
    return e.what();
  }
}

// Writes what no other layer has, unless it has read it there.
Bytes write_a_mark(const Subject& s, Bench& bench) {
  Random random(s.options.seed + 2);
  const std::uint64_t n = short_length(bench.geometry());
  Bytes bytes = some_bytes(random, n);
  must(write(bench.device(), 0, bytes), {.op = Op::write, .offset = 0, .length = n});
  if (bench.geometry().ops.has(Op::flush)) must(act(bench.device(), Op::flush, 0, 0), {.op = Op::flush});
  return bytes;
}

// Two layers run at the same time whatever the module says of threads, and what the one does the other does not see.
void check_layers_at_once(const Subject& s) {
  std::optional<Bench> one, two;
  Bytes mark;
  try {
    one.emplace(s);
    if (one->geometry().size != 0 && one->writes()) mark = write_a_mark(s, *one);
    two.emplace(s);
  } catch (const Unusable& u) {
    throw NotMade{u.why};  // a second one that lies over the same bytes may be refused
  }
  if (one->geometry().size == 0 || two->geometry().size == 0) throw NotMade{"the device is empty"};
  const bool writes = one->writes() && (s.is_filter() || read_all(two->device(), 0, mark.size()) != mark);
  std::array<std::string, 2> how;
  {
    const Overlap overlap(s.is_filter() ? std::vector{&one->disk(), &two->disk()} : std::vector<Disk*>{});
    std::thread other([&] { how[1] = ask_beside_another(s, *two, s.options.seed + 1, writes); });
    how[0] = ask_beside_another(s, *one, s.options.seed, writes);
    other.join();
  }
  for (const std::string& text : how) require(text.empty(), text);
  one->look();
  two->look();
}

// Layers of two exports do not share what is theirs: requests to one do not reach the other's disk.
void check_apart(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"it is no filter"};
  Bench one(s), two(s);
  Random random(s.options.seed);
  for (Tries tries(s, 20); tries.more();) {
    Bench& used = random() % 2 == 0 ? one : two;
    Bench& idle = &used == &one ? two : one;
    idle.disk().forget_calls();
    const std::uint64_t n = short_length(used.geometry());
    if (n == 0) throw NotMade{"the device is empty"};
    read_all(used.device(), 0, n);
    require(idle.disk().calls().empty(), "a request to one layer reached the disk of another");
  }
  // Nor do two devices of a layer: each has a connection of its own to the layer below.
  const auto first = one.open();
  auto second = one.open();
  const auto through = [&](const Bench::Opened& opened, const char* how) {
    const Range range{0, short_length(one.geometry())};
    for (const Op op : all_ops) {
      if (!one.may_send(op)) continue;
      one.disk().forget_calls();
      static_cast<void>(ask(opened.device, op, range, Flag::none, Bytes(range.length)));
      for (const Disk::Call& call : one.disk().calls())
        if (call.connection != opened.connection().number()) throw Broken{std::string(name(op)) + ": " + how};
    }
  };
  through(*first, "a request to one device went below by the connection of another");
  through(*second, "a request to one device went below by the connection of another");
  second.reset();
  through(*first, "a request went below by the connection of a device that is closed");
  one.look();
  two.look();
}

}  // namespace

std::span<const Check> together_checks() {
  static constexpr Check checks[] = {
      {"connections", "connections see what others wrote and flushed", &check_connections},
      {"seen-read-only", "what is opened to be read only sees what others write", &check_seen_read_only},
      {"flush-all", "a flush covers what all connections wrote", &check_flush_for_all},
      {"closed", "what was written stays when its connection is closed", &check_closed},
      {"threads", "calls on several threads do not disturb each other", &check_threads},
      {"layers-at-once", "layers of two exports do not disturb each other", &check_layers_at_once},
      {"apart", "layers and devices use nothing of each other", &check_apart},
  };
  return checks;
}

}  // namespace ashlar::check
