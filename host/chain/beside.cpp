#include "chain/beside.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

namespace ashlar::host {
namespace {

// A layer may have threads and connections of its own, while it is opened alone, too.
constexpr std::size_t most_at_once = 16;

struct Outcome {
  std::string warning;
  std::exception_ptr mistake, failure;
};

Outcome outcome_of(const Step& step, std::size_t index) noexcept {
  Outcome outcome;
  try {
    outcome.warning = step(index);
  } catch (const ConfigError&) {
    outcome.mistake = std::current_exception();
  } catch (...) {
    outcome.failure = std::current_exception();
  }
  return outcome;
}

// Calls `act` for each number below `count`, on this thread and up to 15 others; on fewer, where no more can be made.
void at_once(std::size_t count, const std::function<void(std::size_t)>& act) {
  std::atomic<std::size_t> next{0};
  const auto work = [&]() noexcept {
    for (std::size_t one = next++; one < count; one = next++) act(one);
  };
  std::vector<std::thread> others;
  const std::size_t wanted = std::min(count, most_at_once);
  others.reserve(wanted);
  try {
    while (others.size() + 1 < wanted) others.emplace_back(work);
  } catch (const std::exception&) {
    // Those that there are take more steps each.
  }
  work();
  for (std::thread& other : others) other.join();
}

}  // namespace

std::set<std::size_t> take_beside(const Exports& exports, const Step& step, Mistakes& mistakes,
                                  std::vector<std::string>& warnings) {
  std::vector<Outcome> outcomes(exports.size());
  std::vector<std::size_t> far;
  for (std::size_t i = 0; i < exports.size(); ++i) {
    if (exports[i]->connects()) far.push_back(i);
    else outcomes[i] = outcome_of(step, i);
    if (outcomes[i].failure) std::rethrow_exception(outcomes[i].failure);
  }
  at_once(far.size(), [&](std::size_t i) { outcomes[far[i]] = outcome_of(step, far[i]); });
  for (const Outcome& one : outcomes)
    if (one.failure) std::rethrow_exception(one.failure);
  // What was cancelled says no more than that the server stops.
  if (!exports.empty()) exports.front()->activity().check();
  std::set<std::size_t> mistaken;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    Outcome& one = outcomes[i];
    if (one.mistake && !mistakes.gather([&] { std::rethrow_exception(one.mistake); })) mistaken.insert(i);
    if (!one.warning.empty()) warnings.push_back(std::move(one.warning));
  }
  return mistaken;
}

}  // namespace ashlar::host
