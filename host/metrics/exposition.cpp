#include "metrics/exposition.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace ashlar::host {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

// Of a label's value, and in OpenMetrics of a help, quotes too; Prometheus's parser takes that for a mistake in a help.
std::string escaped(std::string_view text, bool quotes = true) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    if (c == '\n') out += "\\n";
    else out += c;
  }
  return out;
}

std::string braces(const Exposition::Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) out += (out.empty() ? "{" : ",") + name + "=\"" + escaped(value) + "\"";
  return out.empty() ? out : out + "}";
}

std::string line(const std::string& name, const Exposition::Labels& labels, double value) {
  return name + braces(labels) + " " + number(value) + "\n";
}

std::vector<std::string> names_of_lines(Exposition::Kind kind, const std::string& name) {
  switch (kind) {
    case Exposition::Kind::counter: return {name + "_total"};
    case Exposition::Kind::gauge: return {name};
    case Exposition::Kind::histogram: return {name + "_bucket", name + "_sum", name + "_count"};
  }
  return {};
}

const char* kind_name(Exposition::Kind kind) {
  switch (kind) {
    case Exposition::Kind::counter: return "counter";
    case Exposition::Kind::gauge: return "gauge";
    case Exposition::Kind::histogram: return "histogram";
  }
  return "untyped";
}

}  // namespace

Exposition::Family* Exposition::family(Kind kind, const std::string& name, const std::string& help) {
  const auto known = families_.find(name);
  if (known != families_.end()) return known->second.kind == kind ? &known->second : nullptr;
  const std::vector<std::string> lines = names_of_lines(kind, name);
  if (std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return lines_.contains(line); })) return nullptr;
  lines_.insert(lines.begin(), lines.end());
  return &families_.emplace(name, Family{kind, help, {}}).first->second;
}

void Exposition::add(Kind kind, const std::string& name, const std::string& help, const Labels& labels, double value) {
  Family* const of = family(kind, name, help);
  if (of != nullptr) of->lines += line(kind == Kind::counter ? name + "_total" : name, labels, value);
}

void Exposition::add_histogram(const std::string& name, const std::string& help, const Labels& labels,
                               std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum) {
  Family* const of = family(Kind::histogram, name, help);
  if (of == nullptr) return;
  std::string& lines = of->lines;
  // The line of a bucket up to its bound: the same for all of them.
  Labels of_bucket = labels;
  of_bucket.emplace_back("le", "");
  std::string start = name + "_bucket" + braces(of_bucket);
  start.resize(start.size() - std::string_view("\"}").size());
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    if (i < bounds.size() && std::isinf(bounds[i])) continue;  // the last line says so anyway
    lines.append(start).append(i < bounds.size() ? number(bounds[i]) : "+Inf").append("\"} ");
    lines.append(number(static_cast<double>(so_far))).append("\n");
  }
  lines += line(name + "_sum", labels, sum);
  lines += line(name + "_count", labels, static_cast<double>(so_far));
}

// The older format names a counter's family as its lines, with "_total".
std::string Exposition::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    const bool total = family.kind == Kind::counter && format_ == Format::prometheus;
    const std::string title = total ? name + "_total" : name;
    out += "# HELP " + title + " " + escaped(family.help, format_ == Format::open_metrics) + "\n";
    out += "# TYPE " + title + " " + kind_name(family.kind) + "\n";
    out += family.lines;
  }
  return format_ == Format::open_metrics ? out + "# EOF\n" : out;
}

const char* Exposition::content_type(Format format) {
  return format == Format::open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                        : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace ashlar::host
