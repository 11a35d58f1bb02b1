// Report: what became of each promise, as lines for people or as one JSON object.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "options.hpp"
#include "runner.hpp"

namespace ashlar::check {

class Report {
 public:
  explicit Report(const Options& options) : options_(options) {}

  // Before and after each check.
  void begin(const char* name, const char* promise);
  void end(const Outcome& outcome, double seconds);
  // Behind the last. `refusal`: why the module could not be checked; empty: it was.
  void finish(const std::string& refusal = {});
  int broken_promises() const { return broken_; }
  int not_tried() const { return not_tried_; }
  std::size_t size() const { return rows_.size(); }
  // Text of a module, as it is printed for people.
  std::string shown(const std::string& text) const;

 private:
  struct Row {
    const char* name;
    const char* promise;
    Outcome outcome;
    double seconds;
  };

  const char* same_before() const;

  const Options& options_;
  std::vector<Row> rows_;
  int broken_ = 0, not_tried_ = 0;
};

}  // namespace ashlar::check
