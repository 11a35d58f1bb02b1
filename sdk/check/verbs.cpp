// Verbs that a layer answers, and devices that are opened for the verbs of the layers above.
#include <array>
#include <thread>

#include "change.hpp"
#include "checks.hpp"
#include "verb_call.hpp"

namespace ashlar::check {
namespace {

// What an operator may type: nothing, words, numbers, and what no verb expects.
const std::vector<std::vector<std::string>>& some_arguments() {
  static const std::vector<std::vector<std::string>> all = {{},
                                                            {""},
                                                            {"1"},
                                                            {"no-such-thing"},
                                                            {"0", "18446744073709551616"},
                                                            {"-1", "", "a=b", "%s%n"},
                                                            {std::string(60000, 'x')},
                                                            std::vector<std::string>(200, "many")};
  return all;
}

// A verb may change what is on the disk.
void need_verbs(const Subject& s, Bench& bench) {
  if (bench.layer().host().verbs().empty()) throw NotMade{"it has none"};
  if (!s.is_filter() && !s.options.write && !bench.geometry().read_only) throw NotMade{"needs --write"};
}

void check_verbs(const Subject& s) {
  Answers answers;
  {
    Bench bench(s);
    need_verbs(s, bench);
    for (int again = 0; again < 2; ++again) {
      for (const LayerHost::Verb& verb : bench.layer().host().verbs())
        for (const auto& arguments : some_arguments()) {
          call_verb(s, bench, verb, arguments, answers);
          bench.look();
        }
      bench.reopen();  // so that what destroy does is seen, too
      bench.look();
    }
  }
  answers.look();
}

// A layer below that fails is no reason to crash or to hang.
void check_verbs_fail(const Subject& s) {
  Answers answers;
  Bench bench(s);
  need_verbs(s, bench);
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  for (const Status status : {Status::io_error(), Status::not_supported()}) {
    bench.disk().judge([status](const Disk::Call&, std::size_t) { return status; });
    for (const LayerHost::Verb& verb : bench.layer().host().verbs())
      for (const auto& arguments : {std::vector<std::string>{}, {"1"}}) call_verb(s, bench, verb, arguments, answers);
  }
  bench.disk().judge({});
  bench.look();
  answers.look();
}

// Verbs by several threads, while others read.
void check_verbs_together(const Subject& s) {
  if (!s.is_parallel()) throw NotMade{"it is serial"};
  Answers answers;
  Bench bench(s);
  need_verbs(s, bench);
  const std::uint64_t n = short_length(bench.geometry());
  std::array<std::string, 4> how;
  std::vector<std::thread> all;
  for (std::size_t i = 0; i < how.size(); ++i)
    all.emplace_back([&, i] {
      try {
        for (Tries tries = Tries(s, 40).among_threads(); tries.more();) {
          if (i == 0 && n != 0) static_cast<void>(read(bench.device(), 0, n));
          if (i == 0) continue;
          for (const LayerHost::Verb& verb : bench.layer().host().verbs()) call_verb(s, bench, verb, {}, answers);
        }
      } catch (const Broken& b) {
        how[i] = b.how;
      } catch (const std::exception& e) {
        how[i] = e.what();
      }
    });
  for (std::thread& t : all) t.join();
  for (const std::string& text : how) require(text.empty(), text);
  bench.look();
  answers.look();
}

// A device that is opened for a verb of a layer above has no client, and does what all others do.
void check_for_a_verb(const Subject& s) {
  Bench bench(s);
  const auto opened = bench.open(!bench.writes(), ASHLAR_OPEN_FOR_VERB);
  const Device& device = opened->device;
  Model model(device);
  Random random(s.options.seed);
  for (Tries tries(s, 100); tries.more();) {
    const Op op = all_ops[random() % std::size(all_ops)];
    if (!bench.may_send(op) || !device.offers(op)) continue;
    const Range range = op == Op::flush ? Range{0, 0} : model.pick(random, model.longest(op, usual));
    if (op == Op::read) model.compare(range);
    else static_cast<void>(ask_and_follow(model, device, op, range, Flag::none, random));
  }
  model.compare_all(device);
  opened->look();
  bench.look();
}

}  // namespace

std::span<const Check> verb_checks() {
  static constexpr Check checks[] = {
      {"verbs", "verbs answer whatever they are asked, and keep to their call", &check_verbs},
      {"verbs-fail", "verbs answer also when the layer below fails", &check_verbs_fail},
      {"verbs-together", "verbs and requests do not disturb each other", &check_verbs_together},
      {"for-a-verb", "what is opened for a verb of a layer above serves like others", &check_for_a_verb},
  };
  return checks;
}

}  // namespace ashlar::check
