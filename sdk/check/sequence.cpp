#include "sequence.hpp"

#include <algorithm>

#include "change.hpp"

namespace ashlar::check {
namespace {

constexpr std::size_t sequences = 12;
constexpr Op ops[] = {Op::read, Op::write, Op::write, Op::zero, Op::trim, Op::flush, Op::cache, Op::extents};

}  // namespace

// The layer below a filter, as this sequence has it.
struct Sequence::Setting {
  Under under;
  std::string text;
  std::size_t eagain_in = 0;  // one in so many calls answers EAGAIN, if it has nowait; 0: none
};

struct Sequence::Step {
  Op op;
  Range range;
  Flags flags;
  std::size_t device;
  std::uint64_t seed;  // of the bytes that are written

  std::string text() const {
    const Request request{.op = op, .offset = range.offset, .length = range.length, .flags = flags};
    return request.text() + (device != 0 ? " on the second connection" : "");
  }
};

Sequence::Setting Sequence::setting(const Subject& subject) const {
  Setting setting;
  if (!subject.is_filter()) return setting;
  Random random(seed_);
  const std::uint32_t block = std::uint32_t{1} << (random() % 3 == 0 ? 0 : 9 + random() % 4);
  const std::uint64_t odd = random() % 2 == 0 ? 0 : 100;
  const bool plain = random() % 4 == 0;
  setting.under.geometry = [=](Geometry& g) {
    g.minimum = block;
    g.preferred = std::max(g.preferred, block);
    g.size += odd;
    if (plain) g.ops = plain_ops;
  };
  setting.under.lends = static_cast<Disk::Lends>(random() % 4);
  setting.eagain_in = random() % 4;
  setting.text =
      "  over blocks of " + std::to_string(block) + " bytes, " + std::to_string(odd) + " bytes behind the last" +
      (plain ? ", with read, write and flush alone" : "") +
      (setting.eagain_in != 0 ? ", EAGAIN for nowait in one of " + std::to_string(setting.eagain_in) + " calls" : "") +
      "\n";
  return setting;
}

std::vector<Sequence::Step> Sequence::steps(const Model& model) const {
  const Geometry& g = model.geometry();
  Random random(seed_ + 1);
  std::vector<Step> all;
  for (std::size_t i = 0; i < length; ++i) {
    const Op op = ops[random() % std::size(ops)];
    const Range range = model.pick(random, model.longest(op, random() % 8 == 0 ? 256 << 10 : 16 << 10));
    const std::vector<Flags> sets = flag_sets(g, op, true);
    const Flags flags = sets[random() % sets.size()];
    all.push_back(
        {op, op == Op::flush ? Range{0, 0} : range, flags, random() % 4 == 0 && g.multi_conn ? 1u : 0u, random()});
  }
  return all;
}

void Sequence::run(const Subject& subject) const {
  const Setting how = setting(subject);
  Bench bench(subject, how.under);
  if (how.eagain_in != 0)
    bench.disk().judge([each = how.eagain_in](const Disk::Call& call, std::size_t number) {
      return call.flags.has(Flag::nowait) && number % each == 0 ? Status::would_block() : Status::success();
    });
  Model model(bench.device());
  const auto second = bench.open(!bench.writes());
  const std::vector<Step> all = steps(model);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Step& step = all[i];
    if (!keep_[i] || !bench.may_send(step.op)) continue;
    const Device& device = step.device == 0 ? bench.device() : second->device;
    Random random(step.seed);
    const Range& range = step.range;
    Status status;
    if (step.op == Op::read) model.compare(device, range, step.flags);
    else status = ask_and_follow(model, device, step.op, range, step.flags, random, Payload::zeroes_too);
    if (status.failed() && status != Status::would_block() && status != Status::not_supported())
      throw Broken{step.text() + " answered " + std::to_string(status.code())};
    if (Ops::writing().has(step.op)) model.compare_all(bench.device(), step.text());
    bench.look();
  }
}

std::string Sequence::commands(const Subject& subject) const {
  const Setting how = setting(subject);
  Bench bench(subject, how.under);
  const Model model(bench.device());
  const std::vector<Step> all = steps(model);
  std::string text = how.text;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (keep_[i]) text += "    " + all[i].text() + "\n";
  return text;
}

namespace {

bool fails(const Outcome& outcome) { return outcome.kind == Outcome::Kind::broken; }

// Leaves out what it fails without: halves, quarters, …, single requests.
Outcome shorten(Runner& runner, Sequence& sequence, Outcome failed, const std::function<void(const Sequence&)>& run) {
  for (std::size_t piece = Sequence::length / 2; piece != 0; piece = piece == 1 ? 0 : (piece + 1) / 2)
    for (std::size_t begin = 0; begin < Sequence::length; begin += piece) {
      std::vector<bool> keep = sequence.keep();
      const auto from = keep.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto to = keep.begin() + static_cast<std::ptrdiff_t>(std::min(begin + piece, Sequence::length));
      if (std::find(from, to, true) == to) continue;
      std::fill(from, to, false);
      Sequence shorter = sequence;
      shorter.set_keep(std::move(keep));
      const Outcome outcome = runner.run([&] {
        run(shorter);
        return std::string();
      });
      if (!runner.time_left() || outcome.hung) return failed;
      if (!fails(outcome)) continue;
      sequence = shorter;
      failed = outcome;
    }
  return failed;
}

}  // namespace

Outcome find_sequence(Runner& runner, std::uint64_t seed, const std::function<void(const Sequence&)>& run,
                      const std::function<std::string(const Sequence&)>& tell, const std::string& again) {
  const auto enough = Runner::Clock::now() + std::chrono::seconds(2);
  for (std::size_t i = 0; i < sequences && (i < 3 || Runner::Clock::now() < enough); ++i) {
    Sequence sequence(seed * 1000 + i);
    Outcome outcome = runner.run([&] {
      run(sequence);
      return std::string();
    });
    if (outcome.hung || outcome.kind == Outcome::Kind::not_tried) return outcome;
    if (!fails(outcome)) continue;  // it may not be made over this layer
    outcome = shorten(runner, sequence, outcome, run);
    const Outcome commands = runner.run([&] { return tell(sequence); });
    outcome.text += "; the shortest way to it, with --seed " + std::to_string(seed) + ":\n" +
                    (commands.kind == Outcome::Kind::kept ? commands.text : std::string()) + "  again: " + again;
    return outcome;
  }
  return {};
}

}  // namespace ashlar::check
