#include "config/mistakes.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t most_lines = 20;  // more would hide the first of them from who reads a terminal

// Of several files, those of the one that comes first in `files`, or, where it is not among these, in `mistakes`.
std::vector<Mistake> in_file_order(std::vector<Mistake> mistakes,
                                   const std::vector<std::filesystem::path>& files = {}) {
  std::map<std::filesystem::path, std::size_t> numbers;
  for (const std::filesystem::path& file : files) numbers.emplace(file, numbers.size());
  std::vector<std::pair<std::size_t, Mistake>> numbered;
  for (Mistake& mistake : mistakes) {
    const std::size_t number = numbers.emplace(mistake.file, numbers.size()).first->second;
    numbered.emplace_back(number, std::move(mistake));
  }
  std::stable_sort(numbered.begin(), numbered.end(), [](const auto& a, const auto& b) {
    const Place &one = a.second.place, &other = b.second.place;
    return std::tie(a.first, one.line, one.column) < std::tie(b.first, other.line, other.column);
  });
  mistakes.clear();
  for (auto& [number, mistake] : numbered) mistakes.push_back(std::move(mistake));
  return mistakes;
}

std::string lines(const std::vector<Mistake>& mistakes) {
  std::string text;
  const std::size_t told = std::min(mistakes.size(), most_lines);
  for (std::size_t i = 0; i < told; ++i) text += (i == 0 ? "" : "\n") + mistakes[i].line();
  if (told < mistakes.size()) text += "\nand " + std::to_string(mistakes.size() - told) + " more";
  return text;
}

}  // namespace

std::string Mistake::line() const {
  if (file.empty()) return one_line(what);
  std::string text = file.native();
  if (place.line != 0) text += ':' + std::to_string(place.line) + ':' + std::to_string(place.column);
  return one_line(text + ": " + what);
}

ConfigError::ConfigError(const std::filesystem::path& file, Place place, const std::string& what)
    : ConfigError(std::vector<Mistake>{{file, place, what}}) {}

ConfigError::ConfigError(std::vector<Mistake> mistakes)
    : std::runtime_error(lines(in_file_order(mistakes))),
      mistakes_(std::make_shared<const std::vector<Mistake>>(in_file_order(std::move(mistakes)))) {}

void Mistakes::add(const ConfigError& error) {
  all_.insert(all_.end(), error.mistakes().begin(), error.mistakes().end());
}

std::vector<Mistake> Mistakes::all() const { return in_file_order(all_, files_); }

void Mistakes::throw_if_any() const {
  if (!all_.empty()) throw ConfigError(all());
}

}  // namespace ashlar::host
