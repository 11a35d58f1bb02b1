#include "chain/open_error.hpp"

#include <algorithm>
#include <cerrno>

namespace ashlar::host {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::string_view blanks = " \t";
constexpr std::string_view quotes = "'\"`";

bool is_one_of(char c, std::string_view set) { return set.find(c) != npos; }

// Whether a word ends in front of `at`.
bool ends_word(std::string_view text, std::size_t at) {
  if (at == text.size() || is_one_of(text[at], blanks) || is_one_of(text[at], quotes)) return true;
  if (is_one_of(text[at], ",;)]}>|")) return true;
  return text[at] == ':' && (at + 1 == text.size() || is_one_of(text[at + 1], blanks));
}

// Whether the '/' at `at` is the first of an absolute path.
bool begins_path(std::string_view text, std::size_t at) {
  if (at + 1 == text.size() || is_one_of(text[at + 1], blanks)) return false;
  if (at == 0) return true;
  const char before = text[at - 1];
  if (before == ':') return !text.substr(at).starts_with("//") || text.substr(at).starts_with("///");  // not of a URL
  return is_one_of(before, blanks) || is_one_of(before, quotes) || is_one_of(before, "([{<=,;|");
}

std::size_t word_end(std::string_view text, std::size_t at) {
  while (!ends_word(text, at)) ++at;
  return at;
}

// The closing quote of what begins behind the quote at `open`; one within a word does not close.
std::size_t closing_quote(std::string_view text, std::size_t open) {
  for (std::size_t at = open + 1; at < text.size(); ++at)
    if (text[at] == text[open] && ends_word(text, at + 1)) return at;
  return npos;
}

// A path with blanks in it goes on behind them when a later word of the same clause has a '/' that begins no other
// path.
std::size_t unquoted_end(std::string_view text, std::size_t at) {
  std::size_t end = word_end(text, at);
  for (std::size_t next = end; next < text.size() && is_one_of(text[next], blanks);) {
    const std::size_t begin = std::min(text.find_first_not_of(blanks, next), text.size());
    const std::size_t word = text.substr(begin, word_end(text, begin) - begin).find('/');
    if (word == 0 && begins_path(text, begin)) break;
    next = word_end(text, begin);
    if (word != npos) end = next;
  }
  return end;
}

// Where the path ends that begins at `begin`.
std::size_t path_end(std::string_view text, std::size_t begin, std::span<const std::string> paths) {
  std::size_t at = begin;  // behind the longest of `paths` that stands there, if one does
  for (const std::string& path : paths)
    if (text.substr(begin).starts_with(path)) at = std::max(at, begin + path.size());
  if (at != begin && ends_word(text, at)) return at;
  if (begin != 0 && is_one_of(text[begin - 1], quotes))
    if (const std::size_t close = closing_quote(text, begin - 1); close != npos && close >= at) return close;
  return unquoted_end(text, at);
}

std::string_view last_component(std::string_view path) {
  const std::size_t last = path.find_last_not_of('/');
  if (last == npos) return "/";
  path = path.substr(0, last + 1);
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

std::string without_folders(std::string_view text, std::span<const std::string> paths) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '/' || !begins_path(text, at)) {
      out += text[at++];
      continue;
    }
    const std::size_t end = path_end(text, at, paths);
    out += last_component(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string without_credentials(std::string_view text) {
  constexpr std::string_view mark = "://";
  std::string out;
  for (auto at = text.find(mark); at != npos; at = text.find(mark)) {
    out += text.substr(0, at + mark.size());
    text.remove_prefix(at + mark.size());
    const std::string_view authority = text.substr(0, text.find_first_of("/ \t'\"`"));
    if (const auto end = authority.rfind('@'); end != npos) text.remove_prefix(end + 1);
  }
  return out.append(text);
}

OpenError::OpenError(Facts facts, const std::string& advice)
    : std::runtime_error(facts.who + ": " + facts.cause + advice), facts_(std::move(facts)), advice_(advice) {}

bool OpenError::is_absence() const {
  if (!facts_.is_of_plugin) return false;
  switch (facts_.status) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG: return true;
    default: return false;
  }
}

std::string OpenError::complaint() const { return facts_.cause + advice_; }

std::string OpenError::told_to_client(bool whole_paths) const {
  const std::string cause = without_credentials(facts_.cause);
  return whole_paths ? cause : without_folders(cause, facts_.paths);
}

}  // namespace ashlar::host
