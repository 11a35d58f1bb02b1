// Sequence: requests at random against a model. One that fails is made as short as it can be.
#pragma once
#include <string>
#include <vector>

#include "runner.hpp"
#include "subject.hpp"

namespace ashlar::check {

class Sequence {
 public:
  static constexpr std::size_t length = 60;

  explicit Sequence(std::uint64_t seed) : seed_(seed), keep_(length, true) {}

  std::uint64_t seed() const { return seed_; }
  // Of its requests, those that are sent.
  const std::vector<bool>& keep() const { return keep_; }
  void set_keep(std::vector<bool> keep) { keep_ = std::move(keep); }

  // Sends them. Throws Broken, which names the request behind which something was wrong.
  void run(const Subject& subject) const;
  // Those that are sent, a line each, and before them a line for each thing that is special about the layer below.
  std::string commands(const Subject& subject) const;

 private:
  struct Setting;
  struct Step;
  Setting setting(const Subject& subject) const;
  std::vector<Step> steps(const class Model& model) const;

  std::uint64_t seed_;
  std::vector<bool> keep_;
};

// Tries sequences until one fails, and returns how the shortest of what is left of it does. `run` has a subject and
// runs a sequence, `tell` returns its commands; both in the process of a check. `again`: the command line that does the
// same.
Outcome find_sequence(Runner& runner, std::uint64_t seed, const std::function<void(const Sequence&)>& run,
                      const std::function<std::string(const Sequence&)>& tell, const std::string& again);

}  // namespace ashlar::check
