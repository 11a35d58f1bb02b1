// Filters: an error of the layer below is not lost, and does not spread.
#include <cerrno>

#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

bool overlaps(const Disk::Call& a, const Disk::Call& b) {
  return (a.op == Op::flush && b.op == Op::flush) || (a.offset < b.end() && b.offset < a.end());
}

// A request over a layer below that fails, and what became of it.
class Failing {
 public:
  Failing(Bench& bench, Model& model, Random& random) : bench_(bench), model_(model), random_(random) {}

  // Sends the request once for each call that it makes below, each of which fails in turn; then with all calls of an op
  // failing.
  void send_all(Op op, Range range, Flags flags) {
    send(op, range, flags, {});
    const auto calls = bench_.disk().calls();
    for (std::size_t i = 0; i < std::min<std::size_t>(calls.size(), 8); ++i)
      send(op, range, flags, [i, failure = some_failure()](const Disk::Call&, std::size_t number) {
        return number == i ? failure : Status::success();
      });
    Ops failed;
    for (const Disk::Call& call : calls) {
      if (failed.has(call.op)) continue;
      failed |= call.op;
      send(op, range, flags, [failing = call.op, failure = some_failure()](const Disk::Call& c, std::size_t) {
        return c.op == failing ? failure : Status::success();
      });
    }
  }

 private:
  // One after the other, of those that a layer might take for something else.
  Status some_failure() {
    static constexpr std::int32_t errnos[] = {EIO, ENOSPC, ESHUTDOWN, EINVAL, EROFS, ENODEV, ENXIO, ETIMEDOUT};
    return Status{errnos[failures_++ % std::size(errnos)]};
  }
  void send(Op op, Range range, Flags flags, std::function<Status(const Disk::Call&, std::size_t)> judge) {
    const bool fails = judge != nullptr;
    bench_.disk().forget_calls();
    bench_.disk().judge(std::move(judge));
    const Request request{.op = op, .offset = range.offset, .length = range.length, .flags = flags};
    Read got;
    Bytes written;
    if (op == Op::write) written = some_bytes(random_, range.length);
    if (op == Op::read) got = read(bench_.device(), range.offset, range.length, flags);
    else got.status = ask(bench_.device(), op, range, flags, written);
    bench_.disk().judge({});
    if (got.status.ok()) must_have_recovered(request, got.bytes);
    else if (!fails) must_not_go_on(request, got.status);
    else must_be_told(request, got.status);
    follow(request, got.status, written);
  }

  // Nothing fails below: but what has been lost is told to a flush, or a request with FUA, that should have covered it.
  static void must_not_go_on(const Request& request, Status status) {
    if (status == Status::would_block() || status == Status::not_supported()) return;
    if (request.op == Op::flush || request.flags.has(Flag::fua)) return;
    throw Broken{request.text() + " answered " + std::to_string(status.code()) +
                 ", although nothing fails below any more"};
  }

  // What went wrong below is told as it is: who asked may do one thing about a full disk, and another about a broken
  // one.
  void must_be_told(const Request& request, Status status) const {
    if (status == Status::would_block()) return;
    bool failed = false;
    for (const Disk::Call& call : bench_.disk().calls()) {
      if (call.status == status) return;
      failed = failed || (call.status.failed() && call.status != Status::would_block());
    }
    if (!failed || (status == Status::not_supported() && request.op == Op::zero)) return;
    throw Broken{request.text() + " answered " + std::to_string(status.code()) + ", and the layer below nothing such"};
  }

  // Success although a call below failed: only if another call has done the same, or the bytes are right all the same.
  void must_have_recovered(const Request& request, const Bytes& bytes) {
    const auto calls = bench_.disk().calls();
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const Disk::Call& failed = calls[i];
      if (failed.status.ok() || failed.status == Status::not_supported() || failed.status == Status::would_block())
        continue;
      if (failed.op == Op::read && request.op == Op::read) {
        const auto wanted = model_.bytes({request.offset, request.length});
        if (std::equal(wanted.begin(), wanted.end(), bytes.begin())) continue;
      }
      const auto redone = [&](const Disk::Call& later) {
        const bool same = later.op == failed.op || (failed.op == Op::zero && later.op == Op::write);
        return same && later.status.ok() && overlaps(failed, later);
      };
      if (std::any_of(calls.begin() + static_cast<std::ptrdiff_t>(i) + 1, calls.end(), redone)) continue;
      throw Broken{request.text() + " succeeded, although its " + failed.text() + " failed below"};
    }
  }

  // The model learns what the range holds now; what is beside it must be as before.
  void follow(const Request& request, Status status, const Bytes& written) {
    if (!Ops::writing().has(request.op)) return;
    const Range range{request.offset, request.length};
    const std::string after = request.text() + " failed below";
    if (status.ok() && request.op == Op::write) model_.put(request.offset, written);
    else if (status.ok() && request.op == Op::zero) model_.put_zeroes(range);
    else model_.reload(range, true);
    model_.compare_around(range, after);
  }

  Bench& bench_;
  Model& model_;
  Random& random_;
  std::size_t failures_ = 0;
};

void fail_below(const Subject& s, Bench& bench) {
  const Geometry& g = bench.geometry();
  if (g.size < 16 << 10) throw NotMade{"the device is too small"};
  Random random(s.options.seed);
  Model model(bench.device());
  Failing failing(bench, model, random);
  const std::uint64_t block = g.minimum;
  Tries tries(s, 10000, 40);
  for (const bool nowait : {false, true})
    for (const Op op : all_ops) {
      if (!bench.may_send(op)) continue;
      for (const Flags flags : flag_sets(g, op, nowait)) {
        if (flags.has(Flag::nowait) != nowait) continue;
        // Within blocks, over several, on blocks, and more than the layer below takes at once.
        for (Range range :
             {Range{block, block}, Range{100 / block * block, 9000}, Range{4096, 4096}, Range{0, 40000}}) {
          range.length = std::max(model.longest(op, range.length) / block, std::uint64_t{1}) * block;
          if (range.end() <= g.size && tries.more()) failing.send_all(op, op == Op::flush ? Range{0, 0} : range, flags);
        }
      }
    }
}

void check_errors(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  over_layers(s,
              {{},
               {.geometry = [](Geometry& g) { g.ops = plain_ops; }},
               {.geometry = [](Geometry& g) { g.flags = g.flags.without(Flag::fua); }},
               {.geometry =
                    [](Geometry& g) {
                      g.minimum = 4096;
                      g.maximum = 8192;
                    }}},
              [&](Bench& bench) { fail_below(s, bench); });
}

}  // namespace

std::span<const Check> error_checks() {
  static constexpr Check checks[] = {
      {"below-fails", "an error below is not lost, and changes nothing beside", &check_errors},
  };
  return checks;
}

}  // namespace ashlar::check
