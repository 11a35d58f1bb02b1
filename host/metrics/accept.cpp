#include "metrics/accept.hpp"

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <charconv>

namespace ashlar::host {
namespace {

// How much something is liked, as `text` has it, 0 to 1; what is no number of that kind says nothing.
double quality(std::string_view text) {
  double number = 1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() && number >= 0 && number <= 1 ? number : 1;
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// Takes what stands before the next `mark` off the front of `text`, and the mark.
std::string_view take_up_to(std::string_view& text, char mark) {
  const std::string_view part = text.substr(0, text.find(mark));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return without_blanks(part);
}

bool is(std::string_view text, std::string_view word) { return boost::beast::iequals(text, word); }

}  // namespace

Exposition::Format format_for(std::string_view accept) {
  double open_metrics = 0, plain = 0;
  while (!accept.empty()) {
    std::string_view range = take_up_to(accept, ',');
    const std::string_view type = take_up_to(range, ';');
    double liked = 1;
    while (!range.empty()) {
      std::string_view value = take_up_to(range, ';');
      if (is(take_up_to(value, '='), "q")) liked = quality(without_blanks(value));
    }
    if (is(type, "application/openmetrics-text")) open_metrics = std::max(open_metrics, liked);
    if (is(type, "text/plain")) plain = std::max(plain, liked);
  }
  return open_metrics > 0 && open_metrics >= plain ? Exposition::Format::open_metrics : Exposition::Format::prometheus;
}

}  // namespace ashlar::host
