#include "rules.hpp"

#include <algorithm>

namespace ashlar::fault {
namespace {

// Whether the rule hits its match of that number, 1 or more; it counts the hit.
bool hits_match(Rule& rule, std::uint64_t match, Chance& chance) {
  const RuleText& what = rule.what;
  if (match <= what.after || (match - what.after) % what.every != 0) return false;
  if (what.probability < 1 && chance.fraction() >= what.probability) return false;
  // Of requests at the same time no more than `times` get one of the hits.
  std::uint64_t before = rule.hits.load(std::memory_order_relaxed);
  while (before < what.times)
    if (rule.hits.compare_exchange_weak(before, before + 1, std::memory_order_relaxed)) return true;
  return false;
}

}  // namespace

void Rules::set(std::shared_ptr<const All> all) {
  Ops ops;
  for (const auto& rule : *all) ops |= rule->what.ops;
  all_ = std::move(all);
  ops_.store(ops.bits(), std::memory_order_relaxed);
}

std::uint64_t Rules::add(std::string_view text) {
  RuleText what = RuleText::parse(text);
  const std::lock_guard guard(mutex_);
  auto more = std::make_shared<All>(*all_);
  more->push_back(std::make_shared<Rule>(last_number_ + 1, std::move(what), wait_));
  set(std::move(more));
  return ++last_number_;
}

bool Rules::remove(std::uint64_t number) {
  const std::lock_guard guard(mutex_);
  auto fewer = std::make_shared<All>(*all_);
  const auto found = std::find_if(fewer->begin(), fewer->end(), [&](const auto& one) { return one->number == number; });
  if (found == fewer->end()) return false;
  const std::shared_ptr<Rule> gone = *found;
  fewer->erase(found);
  set(std::move(fewer));
  gone->hang.leave(Gate::Mode::alone);
  return true;
}

std::string Rules::list() const {
  std::string lines;
  const auto rules = all();
  for (const auto& rule : *rules)
    lines += std::to_string(rule->number) + ": " + rule->what.text + " (matches=" + std::to_string(rule->matches) +
             " hits=" + std::to_string(rule->hits) + ")\n";
  return lines;
}

bool Rules::concern(const Io& io) const {
  if (!Ops{ops_.load(std::memory_order_relaxed)}.has(io.op())) return false;
  const auto rules = all();
  return std::any_of(rules->begin(), rules->end(), [&](const auto& rule) { return rule->concerns(io); });
}

std::vector<Hit> Rules::hits(const Io& io) const {
  std::vector<Hit> found;
  if (!Ops{ops_.load(std::memory_order_relaxed)}.has(io.op())) return found;
  const auto rules = all();
  for (const auto& rule : *rules) {
    if (!rule->concerns(io)) continue;
    const std::uint64_t match = rule->matches.fetch_add(1, std::memory_order_relaxed) + 1;
    Chance chance(seed_, rule->number, match);
    if (hits_match(*rule, match, chance)) found.push_back({rule, chance});
  }
  return found;
}

}  // namespace ashlar::fault
