#include "config/did_you_mean.hpp"

#include <algorithm>
#include <vector>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Longer words are no typing errors; comparing them costs their product.
constexpr std::size_t longest_word = 256;
// More are no help to who reads them: a server may have thousands of exports.
constexpr std::size_t most_known = 50;

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows i-2, i-1 and i of the table of distances between the first i letters of `a` and the first j of `b`.
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0u : 1u)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::string* best = nullptr;
  std::size_t best_distance = 0;
  if (word.size() > longest_word) return std::nullopt;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > longest_word) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > std::max(word.size(), candidate.size()) / 3) continue;
    if (best != nullptr && distance >= best_distance) continue;
    best = &candidate;
    best_distance = distance;
  }
  return best != nullptr ? std::optional(*best) : std::nullopt;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  if (const auto meant = nearest(word, candidates)) return "did you mean " + in_quotes(*meant) + "?";
  std::string known;
  for (const std::string& candidate : candidates.first(std::min(candidates.size(), most_known)))
    known += (known.empty() ? "known: " : ", ") + (candidate.empty() ? "\"\"" : candidate);
  if (candidates.size() > most_known) known += ", and " + std::to_string(candidates.size() - most_known) + " more";
  return known;
}

}  // namespace ashlar::host
