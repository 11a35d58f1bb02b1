#include "layer.hpp"

#include <algorithm>
#include <ashlar/rules/size.hpp>
#include <ashlar/rules/text.hpp>
#include <charconv>
#include <cinttypes>
#include <cstring>
#include <system_error>

namespace ashlar::fault {
namespace {

constexpr std::uint64_t usual_most_kept = 256 << 20;

// Is alone within a gate, for a verb.
class Alone {
 public:
  explicit Alone(Gate& gate) : gate_(gate) {
    if (const Status s = gate_.enter(Gate::Mode::alone); s.failed())
      throw std::system_error(s.code(), std::generic_category(), "given up");
  }
  ~Alone() {
    if (!stays_) gate_.leave(Gate::Mode::alone);
  }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;
  // It stays within when this is gone.
  void stay() { stays_ = true; }

 private:
  Gate& gate_;
  bool stays_ = false;
};

std::string all_words(const VerbCall& call) {
  std::string text;
  for (const std::string_view word : call.arguments()) text += (text.empty() ? "" : " ") + std::string(word);
  return text;
}

std::uint64_t rule_number(const VerbCall& call) {
  const std::string text = all_words(call);
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || rest != text.data() + text.size())
    throw std::invalid_argument(rules::in_quotes(text) + " is no number of a rule; the verb list tells them");
  return number;
}

}  // namespace

Counters::Counters(const Metrics& metrics)
    : errors(metrics.counter("fault_errors", "requests that were answered with an error by a rule")),
      delays(metrics.counter("fault_delays", "requests that were delayed by a rule")),
      hangs(metrics.counter("fault_hangs", "requests that hung, or hang, because of a rule")),
      flips(metrics.counter("fault_flips", "reads of which bits were flipped")),
      lies(metrics.counter("fault_lies", "requests that were said to be done and were not")),
      torn(metrics.counter("fault_torn_writes", "writes of which a part was written")),
      drops(metrics.counter("fault_drops", "requests whose connection was ended")),
      power_cuts(metrics.counter("fault_power_cuts", "calls of the verb power-cut")) {}

Layer::Layer(const Create& create)
    : host(create.host),
      wait(create.host),
      keeps(create.params.boolean("volatile")),
      most_kept(create.params.has("volatile_size") ? create.params.size("volatile_size") : usual_most_kept),
      counters(Metrics(create.host)),
      rules(static_cast<std::uint64_t>(create.params.integer("seed")), wait),
      gate(wait),
      unflushed(wait),
      operators_(wait),
      verbs_(create) {
  if (create.params.has("volatile_size") && !keeps)
    throw BadParameter("volatile_size", "volatile_size needs volatile = true");
  for (const ashlar_value* item : create.params.list("rules")) {
    try {
      rules.add(item->text);
    } catch (const std::invalid_argument& e) {
      throw BadParameter("rules", "rules: " + rules::in_quotes(item->text) + ": " + e.what());
    }
  }
  offer_verbs();
}

Layer::~Layer() {
  if (const std::uint64_t gone = unflushed.clear(); gone != 0)
    host.log(Level::warn, "%" PRIu64 " bytes that nobody has flushed are gone, as with the power of a disk", gone);
}

void Layer::offer_verbs() {
  verbs_.offer("add", "a rule more: add read error=EIO every=100",
               [this](VerbCall& call) { call.answer("rule " + std::to_string(rules.add(all_words(call)))); });
  verbs_.offer("remove", "a rule by its number; what hangs because of it goes on", [this](VerbCall& call) {
    const std::uint64_t number = rule_number(call);
    if (!rules.remove(number)) throw std::invalid_argument("no rule " + std::to_string(number));
    call.answer("rule " + std::to_string(number) + " removed");
  });
  verbs_.offer("list", "the rules, with what they have counted", [this](VerbCall& call) {
    call.refuse_arguments();
    call.answer(rules.list());
  });
  verbs_.offer("pause", "let requests under way end, flush, and let no other go below until resume", Below::write,
               [this](VerbCall& call) { pause(call); });
  verbs_.offer("resume", "end a pause", [this](VerbCall& call) { resume(call); });
  verbs_.offer("power-cut", "drop what was not flushed (needs volatile = true)",
               [this](VerbCall& call) { cut_power(call); });
}

void Layer::pause(VerbCall& call) {
  call.refuse_arguments();
  const Alone operators(operators_);
  if (paused_) return call.answer("paused already");
  Alone within(gate);
  const Status s = flush_all(Io(Op::flush, 0, 0), call.below(), [&](Io& io) {
    io.set_flags(io.flags() & call.below().flags);
    return call.next(io);
  });
  if (s.failed()) throw std::system_error(s.code(), std::generic_category(), "not paused, as the flush has failed");
  within.stay();
  paused_ = true;
  host.log(Level::info, "paused");
  call.answer("paused");
}

void Layer::resume(VerbCall& call) {
  call.refuse_arguments();
  const Alone operators(operators_);
  if (!paused_) return call.answer("was not paused");
  paused_ = false;
  gate.leave(Gate::Mode::alone);
  host.log(Level::info, "resumed");
  call.answer("resumed");
}

void Layer::cut_power(VerbCall& call) {
  call.refuse_arguments();
  if (!keeps) throw std::invalid_argument("nothing is kept apart; write volatile = true in the config");
  const Alone operators(operators_);
  std::uint64_t gone = 0;
  if (paused_) {
    gone = unflushed.clear();
  } else {
    const Alone within(gate);
    gone = unflushed.clear();
  }
  counters.power_cuts.add();
  host.log(Level::info, "power cut: %" PRIu64 " bytes that were not flushed are gone", gone);
  call.answer(std::to_string(gone) + " bytes that were not flushed are gone");
}

namespace {

Status write_piece(const Io& io, const Unflushed::Placed& one, const Geometry& below, const Next& next) {
  const Unflushed::Piece& piece = one.piece;
  if (piece.zero()) {
    Io zero(io, Op::zero, one.offset, piece.length, piece.may_trim ? Flag::may_trim : Flag::none);
    return next(zero);
  }
  const std::uint64_t most = below.maximum != 0 ? below.maximum / below.minimum * below.minimum : piece.length;
  for (std::uint64_t done = 0; done < piece.length;) {
    const std::uint64_t n = std::min(most, piece.length - done);
    Io write = Io::write(io, one.offset + done, piece.bytes().subspan(done, n));
    if (const Status s = next(write); s.failed()) return s;
    done += n;
  }
  return Status::success();
}

}  // namespace

Status Layer::write_back(const Io& io, const Geometry& below, const Next& next) noexcept {
  try {
    Unflushed::Batch batch(unflushed);
    for (const Unflushed::Placed& one : batch.pieces()) {
      if (const Status s = write_piece(io, one, below, next); s.failed()) return s;
      batch.written(one);
    }
    return Status::success();
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
}

Status Layer::flush_all(const Io& io, const Geometry& below, const Next& next) noexcept {
  if (const Status s = write_back(io, below, next); s.failed()) return s;
  if (!below.ops.has(Op::flush)) return Status::success();
  Io flush(io, Op::flush, 0, 0);
  return next(flush);
}

}  // namespace ashlar::fault
