// What holds of each request, whatever it does.
#include <algorithm>
#include <cerrno>

#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

constexpr std::uint64_t longest_of_clients = 64 << 20;  // bytes

// Ranges of all kinds that the device takes: short and long, at the ends, on blocks or not.
std::vector<Range> ranges(const Geometry& g, std::uint64_t most) {
  std::vector<Range> all;
  const std::uint64_t block = g.minimum;
  for (const std::uint64_t length :
       {std::uint64_t{1}, std::uint64_t{512}, std::uint64_t{4096}, std::uint64_t{65536}, most})
    for (const std::uint64_t offset :
         {std::uint64_t{0}, block, std::uint64_t{4096}, std::uint64_t{65536}, g.size / 2, g.size}) {
      const std::uint64_t n = (length + block - 1) / block * block;
      if (n > most || n > g.size) continue;
      const std::uint64_t begin = std::min(offset, g.size - n) / block * block;
      all.push_back({begin, n});
      if (offset == g.size) all.push_back({begin, g.size - begin});  // up to the end, which may lie within a block
    }
  std::erase_if(all, [&](const Range& r) { return r.length == 0 || r.length > most; });
  const std::uint64_t last = (g.size - 1) / block * block;
  all.push_back({last, g.size - last});
  while (all.size() % 7 == 0) all.push_back(all.front());  // each seventh comes to all of them
  return all;
}

// A write writes what is there.
Status send(const Device& device, Op op, Range range, Flags flags) {
  Bytes bytes;
  if (op == Op::write) bytes = read_all(device, range.offset, range.length);
  return ask(device, op, range, flags, bytes);
}

std::uint64_t longest(const Geometry& g) {
  return g.maximum != 0 ? std::min<std::uint64_t>(g.maximum, 1 << 20) : 1 << 20;
}

// Calls `f(op, flags)` for all that the device offers and that may be sent.
template <class F>
void each_offered(Bench& bench, F f) {
  for (const Op op : all_ops) {
    if (!bench.may_send(op)) continue;
    for (const Flags flags : flag_sets(bench.geometry(), op, true)) f(op, flags);
  }
}

void check_fields(const Subject& s) {
  Bench bench(s);
  if (bench.geometry().size == 0) throw NotMade{"the device is empty"};
  const std::vector<Range> some = ranges(bench.geometry(), longest(bench.geometry()));
  each_offered(bench, [&](Op op, Flags flags) {
    std::size_t at = 0;
    for (Tries tries(s, static_cast<int>(some.size()), 16); tries.more(); at += 7)
      static_cast<void>(send(bench.device(), op, some[at % some.size()], flags));
  });
  bench.look();
}

// A zero that may fail may always fail, and FAST is a question that is answered by refusing, too: of a plugin that does
// not know beforehand.
bool may_always_refuse(const Subject& s, const Geometry& g, Op op, Flags flags) {
  return op == Op::zero && g.zero_may_fail && (!s.is_filter() || flags.has(Flag::fast));
}

// Zeroing fast may be possible only where the range may be deallocated.
bool zeroes_fast_when_it_may_trim(Bench& bench, const std::vector<Range>& some, Op op, Flags flags) {
  if (op != Op::zero || !flags.has(Flag::fast) || !bench.geometry().flags.has(Flag::may_trim)) return false;
  return std::any_of(some.begin(), some.end(),
                     [&](const Range& range) { return send(bench.device(), op, range, flags | Flag::may_trim).ok(); });
}

void check_offers(const Subject& s) {
  Bench bench(s);
  const Geometry& g = bench.geometry();
  if (g.size == 0) throw NotMade{"the device is empty"};
  const std::vector<Range> some = ranges(g, longest(g));
  bool tried_nowait = false, did_nowait = false;
  each_offered(bench, [&](Op op, Flags flags) {
    const bool nowait = flags.has(Flag::nowait);
    Status last;
    bool done = false;
    for (std::size_t i = 0; i < some.size() && !done; ++i) {
      last = send(bench.device(), op, some[i], flags);
      done = last.ok() || last == Status::would_block();
      if (nowait) did_nowait = did_nowait || last.ok();
    }
    tried_nowait = tried_nowait || nowait;
    if (done || may_always_refuse(s, g, op, flags)) return;
    if (zeroes_fast_when_it_may_trim(bench, some, op, flags)) return;
    const std::string what = Request{.op = op, .flags = flags}.text();
    throw Broken{"it offers " + what.substr(0, what.find(' ')) + (flags.any() ? what.substr(what.find("@0") + 2) : "") +
                 ", and always refuses it with " + std::to_string(last.code())};
  });
  require(!s.is_filter() || !tried_nowait || did_nowait, "it offers nowait, and never does anything without waiting");
  bench.look();
}

// Zeroes as much as clients may write at once, or all that there is; `n`: bytes of a read.
void zero_much(Bench& bench, std::uint64_t n) {
  const Geometry& g = bench.geometry();
  if (!g.ops.has(Op::zero)) return;
  const std::uint64_t length = std::min<std::uint64_t>(longest_of_clients, g.size) / g.minimum * g.minimum;
  const Request request{.op = Op::zero, .offset = 0, .length = length};
  const Status status = act(bench.device(), Op::zero, 0, length);
  if (status == Status::not_supported() && g.zero_may_fail) return;
  must(status, request);
  for (std::uint64_t at = 0; at < length; at += n) {
    const Bytes bytes = read_all(bench.device(), at, std::min(n, length - at));
    const auto not_zero = std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; });
    require(not_zero == bytes.end(), request.text() + " did not zero all of it");
  }
}

// Reads and writes as long as the device takes them; without a limit of its own, as long as clients may send.
void check_longest(const Subject& s) {
  Bench bench(s, {.far = s.is_filter()});
  const Geometry& g = bench.geometry();
  constexpr std::uint64_t most = longest_of_clients;
  const std::uint64_t n = std::min({g.maximum != 0 ? g.maximum : most, most, g.size}) / g.minimum * g.minimum;
  if (n == 0) throw NotMade{"the device is smaller than a block"};
  const Request request{.op = Op::read, .offset = 0, .length = n};
  Bytes bytes = read_all(bench.device(), 0, n);
  if (bench.writes()) {
    Random random(s.options.seed);
    bytes = some_bytes(random, n);
    s.watch.end();  // this takes long by itself
    must(write(bench.device(), 0, bytes), {.op = Op::write, .offset = 0, .length = n});
  }
  require(read_all(bench.device(), 0, n) == bytes,
          request.text() + " gave other bytes than before or than were written");
  if (bench.writes()) zero_much(bench, n);
  bench.look();
}

// A request whose answer nobody wants any more is done, or says that it was given up; and those behind it are as ever.
void check_cancelled(const Subject& s) {
  Bench bench(s);
  Model model(bench.device());
  Random random(s.options.seed);
  for (Tries tries(s, 120, 60); tries.more();) {
    const Op op = all_ops[random() % std::size(all_ops)];
    if (!bench.may_send(op)) continue;
    const Range range = op == Op::flush ? Range{0, 0} : model.pick(random, model.longest(op, usual));
    const Request request{.op = op, .offset = range.offset, .length = range.length};
    const Bytes bytes = some_bytes(random, range.length);
    bench.services().cancel_at(Services::Clock::now());
    Read got;
    if (op == Op::read) got = read(bench.device(), range.offset, range.length);
    else got.status = ask(bench.device(), op, range, Flag::none, bytes);
    bench.services().cancel_at(Services::Clock::time_point::max());
    const bool given_up = got.status.code() == ECANCELED;
    if (!given_up && !(op == Op::zero && got.status == Status::not_supported())) must(got.status, request);
    const std::string after = request.text() + (given_up ? " was given up" : " was cancelled, and done");
    if (op == Op::read && got.status.ok()) {
      require(!model.differs(range.offset, got.bytes), request.text() + " was cancelled, and gave other bytes");
    }
    if (given_up && Ops::writing().has(op)) model.forget(range);  // it may still be done, at any time
    else if (op == Op::write) model.put(range.offset, bytes);
    else if (op == Op::zero && got.status.ok()) model.put_zeroes(range);
    else if (Ops::writing().has(op)) model.reload(range, true);
    if (op != Op::flush) model.compare_around(range, after);
  }
  bench.look();
}

}  // namespace

std::span<const Check> request_checks() {
  static constexpr Check checks[] = {
      {"fields", "a request comes back as it was, and is answered with a status", &check_fields},
      {"offers", "what is offered is not always refused", &check_offers},
      {"cancelled", "what nobody wants any more is done, or given up", &check_cancelled},
      {"longest", "the longest requests are taken", &check_longest},
  };
  return checks;
}

}  // namespace ashlar::check
