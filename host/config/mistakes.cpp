#include "config/mistakes.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t most_lines = 20;  // more would hide the first of them from who reads a terminal

// Of several files, those of the one that comes first.
std::vector<Mistake> in_file_order(std::vector<Mistake> mistakes) {
  std::vector<std::filesystem::path> files;
  const auto number = [&](const Mistake& mistake) { return std::find(files.begin(), files.end(), mistake.file); };
  for (const Mistake& mistake : mistakes)
    if (number(mistake) == files.end()) files.push_back(mistake.file);
  std::stable_sort(mistakes.begin(), mistakes.end(), [&](const Mistake& a, const Mistake& b) {
    return std::tuple(number(a), a.place.line, a.place.column) < std::tuple(number(b), b.place.line, b.place.column);
  });
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

std::vector<Mistake> Mistakes::all() const { return in_file_order(all_); }

void Mistakes::throw_if_any() const {
  if (!all_.empty()) throw ConfigError(all_);
}

}  // namespace ashlar::host
