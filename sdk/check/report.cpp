#include "report.hpp"

#include <algorithm>
#include <sstream>

#include "text.hpp"

namespace ashlar::check {
namespace {

using Kind = Outcome::Kind;

// A JSON string; what is no ASCII or cannot be printed is replaced, for a module may say anything.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') out += "\\n";
    else out += c >= ' ' && c <= '~' ? c : '?';
  }
  return out + '"';
}

const char* word(Kind kind) {
  switch (kind) {
    case Kind::kept: return "kept";
    case Kind::broken: return "broken";
    case Kind::unusable: return "refused";
    case Kind::not_tried: return "not tried";
    default: return "not made";
  }
}

// What is wrong, without where it showed: words with a digit in them, and those that name an op or flags, are left out.
std::string kind_of_breach(const std::string& text) {
  constexpr std::string_view of_requests[] = {"read",     "write",         "flush",    "trim",     "zero",   "cache",
                                              "extents",  "fua",           "may_trim", "fast",     "nowait", "req_one",
                                              "may_lend", "may_lend_cold", "may_hole", "lend_only"};
  std::istringstream words(text);
  std::string kind;
  for (std::string word; words >> word;) {
    const bool of_a_request = std::ranges::any_of(word, [](char c) { return c >= '0' && c <= '9'; }) ||
                              word.find(',') != word.npos ||
                              std::ranges::find(of_requests, word) != std::end(of_requests);
    if (!of_a_request) kind += word + ' ';
  }
  return kind;
}

}  // namespace

std::string Report::shown(const std::string& text) const { return printable(without_secrets(text, options_.secrets)); }

// Which check before the last one was broken in the same way; nullptr: none.
const char* Report::same_before() const {
  const auto kind = [](const Row& row) { return kind_of_breach(row.outcome.text); };
  const auto same = std::find_if(rows_.begin(), rows_.end() - 1, [&](const Row& row) {
    return row.outcome.kind == Kind::broken && kind(row) == kind(rows_.back());
  });
  return same == rows_.end() - 1 ? nullptr : same->name;
}

void Report::begin(const char* name, const char* promise) {
  rows_.push_back({name, promise, {}, 0});
  if (options_.json) return;
  std::printf("  %-14s %-61s ", name, promise);
  std::fflush(stdout);
}

void Report::end(const Outcome& outcome, double seconds) {
  rows_.back().outcome = outcome;
  rows_.back().seconds = seconds;
  if (outcome.kind == Kind::broken) ++broken_;
  if (outcome.kind == Kind::not_tried) ++not_tried_;
  if (options_.json) return;
  if (outcome.kind == Kind::kept) std::puts("kept");
  else if (outcome.kind == Kind::broken && same_before() != nullptr) std::printf("BROKEN: as `%s`\n", same_before());
  else if (outcome.kind == Kind::broken) std::printf("BROKEN: %s\n", shown(outcome.text).c_str());
  else if (outcome.kind == Kind::unusable) std::puts("refused");
  else if (outcome.kind == Kind::not_tried) std::puts("not tried");
  else std::printf("- (%s)\n", shown(outcome.text).c_str());
  std::fflush(stdout);
}

void Report::finish(const std::string& refusal) {
  if (!options_.json) {
    if (broken_ != 0) std::printf("%d broken\n", broken_);
    if (not_tried_ != 0)
      std::printf("%d checks were not tried: %s; --time gives them more\n", not_tried_,
                  rows_.back().outcome.text.c_str());
    return;
  }
  std::printf("{\"module\": %s, \"seed\": %llu, \"broken\": %d, \"not_tried\": %d, \"refused\": %s, \"promises\": [",
              quoted(options_.file).c_str(), static_cast<unsigned long long>(options_.seed), broken_, not_tried_,
              refusal.empty() ? "null" : quoted(without_secrets(refusal, options_.secrets)).c_str());
  const char* between = "\n";
  for (const Row& row : rows_) {
    const bool kept = row.outcome.kind == Kind::kept;
    std::printf("%s  {\"name\": %s, \"promise\": %s, \"result\": \"%s\", \"text\": %s, \"seconds\": %.3f}", between,
                quoted(row.name).c_str(), quoted(row.promise).c_str(), word(row.outcome.kind),
                quoted(kept ? "" : without_secrets(row.outcome.text, options_.secrets)).c_str(), row.seconds);
    between = ",\n";
  }
  std::printf("\n]}\n");
}

}  // namespace ashlar::check
