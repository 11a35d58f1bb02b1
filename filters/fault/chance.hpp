// Chance: numbers that look random and are always the same for the same seed, rule and match. Pure.
#pragma once
#include <cmath>
#include <cstdint>

namespace ashlar::fault {

// The numbers for one match of one rule. Each call gives the next.
class Chance {
 public:
  Chance(std::uint64_t seed, std::uint64_t rule, std::uint64_t match)
      : state_(mixed(mixed(mixed(seed + step) ^ rule) ^ match)) {}

  std::uint64_t number() { return mixed(state_ += step); }
  // 0 <= n < `limit`, which is not 0.
  std::uint64_t below(std::uint64_t limit) { return number() % limit; }
  // 0 <= x < 1.
  double fraction() { return static_cast<double>(number() >> 11) * 0x1p-53; }
  // Of the normal distribution around 0 with the deviation 1 (by Box and Muller).
  double normal() {
    const double u = 1 - fraction(), v = fraction();
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

 private:
  static constexpr std::uint64_t step = 0x9e3779b97f4a7c15;
  // The finisher of splitmix64, by Vigna.
  static constexpr std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  std::uint64_t state_;
};

}  // namespace ashlar::fault
