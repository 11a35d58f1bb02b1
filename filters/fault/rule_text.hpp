// RuleText: a rule as its author writes it, taken apart. Pure.
#pragma once
#include <ashlar/ops.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ashlar::fault {

struct RuleText {
  // Which requests.
  std::uint64_t begin = 0, end = UINT64_MAX;  // those that touch a byte of it; without range= all
  Ops ops;                                    // one, or all of them: `connection`
  bool connection = false;

  // What happens to them.
  std::optional<std::int32_t> error;  // an errno number
  std::optional<std::chrono::nanoseconds> delay;
  std::chrono::nanoseconds deviation{0};  // of the delay
  std::uint32_t flip = 0;                 // bits of a read
  bool lie = false;                       // answers that all is well, and does nothing
  bool torn = false;                      // writes a part
  bool hang = false;
  bool drop = false;

  // To which of them.
  std::uint64_t after = 0, every = 1, times = UINT64_MAX;
  double probability = 1;

  std::string text;  // as written, with single spaces

  // Throws std::invalid_argument, whose text says which word is wrong and what to do.
  static RuleText parse(std::string_view text);

  bool whole_disk() const { return begin == 0 && end == UINT64_MAX; }
};

}  // namespace ashlar::fault
