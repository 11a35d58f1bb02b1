#include "warm_list.hpp"

#include <algorithm>
#include <ashlar/params.hpp>
#include <ashlar/rules/text.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

namespace ashlar::caching {

namespace {

constexpr std::uint64_t near = 128 << 10;  // bytes between two ranges that are cheaper to read than to ask for another
constexpr std::size_t most_ranges = 1 << 22;

// A number and what parts it from the next one; none: there is no such number.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  const std::size_t spaces = std::min(text.find_first_not_of(" \t\r"), text.size());
  if (spaces == 0 && !text.empty()) return std::nullopt;
  text.remove_prefix(spaces);
  return number;
}

std::optional<Range> range_in(std::string_view line) {
  const auto offset = take_number(line);
  const auto length = offset ? take_number(line) : std::nullopt;
  if (!length || !line.empty() || *length > INT64_MAX || *offset > INT64_MAX - *length) return std::nullopt;
  return Range{*offset, *offset + *length};
}

}  // namespace

WarmList::WarmList(std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, &Range::begin);
  for (const Range& one : ranges) {
    if (one.empty()) continue;
    if (!ranges_.empty()) {
      Range& last = ranges_.back();
      const std::uint64_t end = std::max(last.end, one.end);
      const bool overlaps = one.begin < last.end;
      if (overlaps || (one.begin - last.end <= near && end - last.begin <= longest)) {
        last.end = end;
        continue;
      }
    }
    ranges_.push_back(one);
  }
}

WarmList WarmList::read(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    const int error = errno != 0 ? errno : EIO;
    throw BadParameter("warm", "cannot open " + path + ": " + std::strerror(error), error);
  }
  std::vector<Range> ranges;
  std::string line;
  for (std::uint64_t number = 1; std::getline(file, line); ++number) {
    const auto refuse = [&](const std::string& why) {
      throw BadParameter("warm", path + ":" + std::to_string(number) + ": " + why);
    };
    std::string_view text = line;
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r"), text.size()));
    if (text.empty() || text[0] == '#') continue;
    const auto range = range_in(text);
    if (!range)
      refuse(rules::in_quotes(text.substr(0, 80)) +
             " is no OFFSET LENGTH in bytes, as ashlar trace prefetch writes them");
    if (ranges.size() == most_ranges) refuse("there are more than " + std::to_string(most_ranges) + " ranges");
    ranges.push_back(*range);
  }
  if (file.bad()) throw BadParameter("warm", "cannot read " + path, EIO);
  return WarmList(std::move(ranges));
}

Range WarmList::around(std::uint64_t offset) const {
  const auto behind = std::ranges::upper_bound(ranges_, offset, {}, &Range::begin);
  if (behind == ranges_.begin() || std::prev(behind)->end <= offset) return {};
  return *std::prev(behind);
}

}  // namespace ashlar::caching
