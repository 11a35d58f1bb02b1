#include "answer.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  return first == text.npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Takes digits from the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::string range_text(std::uint64_t first, std::uint64_t last) {
  return std::to_string(first) + "-" + std::to_string(last);
}

}  // namespace

void Answer::clear() {
  status_ = 0;
  etag_.clear();
  modified_.clear();
  location_.clear();
  encoding_.clear();
  range_.reset();
  total_.reset();
  malformed_ = false;
}

void Answer::line(std::string_view text) {
  if (text.starts_with("HTTP/")) {
    clear();
    text.remove_prefix(std::min(text.find(' '), text.size()));
    text = trimmed(text);
    status_ = static_cast<int>(std::min<std::uint64_t>(take_number(text).value_or(0), 999));
    return;
  }
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return;
  const std::string_view name = trimmed(text.substr(0, colon)), value = trimmed(text.substr(colon + 1));
  if (same_word(name, "ETag")) etag_ = value;
  else if (same_word(name, "Last-Modified")) modified_ = value;
  else if (same_word(name, "Location")) location_ = value;
  else if (same_word(name, "Content-Encoding")) encoding_ = value;
  else if (same_word(name, "Content-Range")) content_range(value);
}

// "bytes FIRST-LAST/TOTAL", where TOTAL may be "*", and FIRST-LAST if the status is 416. (RFC 9110, 14.4)
void Answer::content_range(std::string_view value) {
  malformed_ = malformed_ || range_ || total_;
  if (!same_word(value.substr(0, 6), "bytes ")) malformed_ = true;
  if (malformed_) return;
  value = trimmed(value.substr(6));
  std::optional<Range> range;
  if (!take(value, '*')) {
    const auto first = take_number(value);
    const bool dash = take(value, '-');
    const auto last = take_number(value);
    malformed_ = !first || !dash || !last;
    if (malformed_) return;
    range = {*first, *last};
  }
  const bool slash = take(value, '/');
  std::optional<std::uint64_t> total;
  const bool untold = take(value, '*');
  if (!untold) total = take_number(value);
  malformed_ = !slash || (!untold && !total) || !value.empty() || (total && range && range->last >= *total);
  if (malformed_) return;
  range_ = range;
  total_ = total;
}

Fault Answer::fault(std::uint64_t offset, std::uint64_t length, const Identity* known) const {
  const std::uint64_t last = offset + length - 1;
  if (status_ == 200)
    return {EIO, false, "the server ignores ranges: it has answered with the whole file instead of a part"};
  if (status_ != 206) return fault_of_status(status_);
  if (!encoding_.empty() && !same_word(encoding_, "identity"))
    return {EIO, false, "the server has packed what it sends (Content-Encoding: " + encoding_ + ")"};
  if (malformed_) return {EIO, false, "the server's Content-Range cannot be understood"};
  if (!range_) return {EIO, false, "the server has answered with a part without saying which (no Content-Range)"};
  if (range_->first != offset || range_->last != last)
    return {EIO, false,
            "the server was asked for bytes " + range_text(offset, last) + " and has answered with bytes " +
                range_text(range_->first, range_->last)};
  return known != nullptr ? fault_of_change(*known, total_, etag_, modified_) : Fault{};
}

// A strong ETag says more than a date: servers behind one name may have different dates for the same bytes.
Fault fault_of_change(const Identity& known, std::optional<std::uint64_t> size, const std::string& etag,
                      const std::string& modified) {
  if (size && *size != known.size)
    return {ESTALE, false,
            "the file has changed: it had " + std::to_string(known.size) + " bytes and has " + std::to_string(*size)};
  if (!known.etag.empty() && etag != known.etag)
    return {ESTALE, false,
            "the file has changed: its ETag was " + known.etag + " and is " + (etag.empty() ? "gone" : etag)};
  if (!is_strong(known.etag) && !known.modified.empty() && modified != known.modified)
    return {ESTALE, false,
            "the file has changed: it was of " + known.modified + " and is of " +
                (modified.empty() ? "no date" : modified)};
  if (!size && known.etag.empty() && known.modified.empty())
    return {EIO, false, "the server says neither how long the file is nor of which version it is"};
  return {};
}

Fault fault_of_status(int status) {
  switch (status) {
    case 0: return {EIO, true, "the server has answered without a status"};
    case 401:
    case 403:
    case 407: return {EACCES, false, "the server refuses it (status " + std::to_string(status) + ")"};
    case 404:
    case 410: return {ENOENT, false, "there is no such file (status " + std::to_string(status) + ")"};
    case 412:
    case 416: return {ESTALE, false, "the file has changed (status " + std::to_string(status) + ")"};
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504: return {EIO, true, "the server cannot answer now (status " + std::to_string(status) + ")"};
    default: return {EIO, false, "the server has answered with status " + std::to_string(status)};
  }
}
