#include "rule_text.hpp"

#include <ashlar/rules/duration.hpp>
#include <ashlar/rules/size.hpp>
#include <ashlar/rules/text.hpp>
#include <charconv>
#include <cstring>
#include <set>
#include <stdexcept>

namespace ashlar::fault {
namespace {

using rules::in_quotes;

constexpr std::chrono::hours longest_delay{24};

[[noreturn]] void refuse(std::string_view word, const std::string& why) {
  throw std::invalid_argument(in_quotes(word) + " " + why);
}

std::uint64_t whole_number(std::string_view word, std::string_view value, std::uint64_t least) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || rest != value.data() + value.size() || number < least)
    refuse(word, "needs a whole number from " + std::to_string(least) + " on behind the =");
  return number;
}

std::int32_t errno_named(std::string_view word, std::string_view name) {
  if (name == "EAGAIN" || name == "EWOULDBLOCK") refuse(word, "cannot be told to a client; write another, such as EIO");
  for (std::int32_t number = 1; number < 134; ++number)
    if (const char* const known = strerrorname_np(number); known != nullptr && name == known) return number;
  if (name == "ENOTSUP") return ENOTSUP;
  refuse(word, "names no error; write EIO, ENOSPC or another of errno(3)");
}

std::chrono::nanoseconds duration(std::string_view word, std::string_view text) {
  const auto found = rules::parse_duration(text);
  if (!found) refuse(word, "has no duration; write 40ms (or ns, us, s, m, h), or normal(5ms,2ms)");
  if (*found > longest_delay) refuse(word, "is more than a day; write hang for what is to wait until the rule goes");
  return *found;
}

void read_delay(RuleText& into, std::string_view word, std::string_view value) {
  constexpr std::string_view normal = "normal(";
  if (!value.starts_with(normal)) {
    into.delay = duration(word, value);
    return;
  }
  const std::size_t comma = value.find(',');
  if (comma == value.npos || !value.ends_with(')')) refuse(word, "is not whole; write normal(5ms,2ms), without spaces");
  into.delay = duration(word, value.substr(normal.size(), comma - normal.size()));
  into.deviation = duration(word, value.substr(comma + 1, value.size() - comma - 2));
}

void read_range(RuleText& into, std::string_view word, std::string_view value) {
  const std::size_t dots = value.find("..");
  if (dots == value.npos) refuse(word, "is no range; write range=1M..2M, with its end not included");
  into.begin = static_cast<std::uint64_t>(rules::parse_size(value.substr(0, dots)));
  into.end = static_cast<std::uint64_t>(rules::parse_size(value.substr(dots + 2)));
  if (into.end <= into.begin) refuse(word, "is empty; its end, which is not included, has to be behind its start");
}

void read_probability(RuleText& into, std::string_view word, std::string_view value) {
  const char* const end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, into.probability);
  if (error != std::errc{} || rest != end || !(into.probability > 0 && into.probability <= 1))
    refuse(word, "is no probability; write a number above 0 and up to 1, such as 0.01");
}

// Words with a = in them.
bool read_value(RuleText& into, std::string_view word, std::string_view key, std::string_view value) {
  if (key == "range") read_range(into, word, value);
  else if (key == "error") into.error = errno_named(word, value);
  else if (key == "delay") read_delay(into, word, value);
  else if (key == "flip") into.flip = static_cast<std::uint32_t>(whole_number(word, value, 1));
  else if (key == "every") into.every = whole_number(word, value, 1);
  else if (key == "after") into.after = whole_number(word, value, 1);
  else if (key == "times") into.times = whole_number(word, value, 1);
  else if (key == "probability") read_probability(into, word, value);
  else return false;
  return true;
}

bool read_fault(RuleText& into, std::string_view word) {
  if (word == "lie") into.lie = true;
  else if (word == "torn") into.torn = true;
  else if (word == "hang") into.hang = true;
  else if (word == "drop") into.drop = true;
  else return false;
  return true;
}

bool read_what(RuleText& into, std::string_view word) {
  into.connection = word == "connection";
  if (into.connection) into.ops = Ops::known();
  for (std::uint32_t op = 0; op < 7; ++op)
    if (word == name(static_cast<Op>(op))) into.ops = Ops{static_cast<Op>(op)};
  return into.ops.any();
}

void read_word(RuleText& into, std::string_view word, std::set<std::string_view>& seen) {
  const std::size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  const bool what = !into.ops.any() && equals == word.npos && read_what(into, word);
  const bool known =
      what || (equals == word.npos ? read_fault(into, word) : read_value(into, word, key, word.substr(equals + 1)));
  if (!known && equals == word.npos && into.ops.any())
    refuse(word, "is no fault; known: error=, delay=, flip=, lie, torn, hang, drop");
  if (!known)
    refuse(word,
           "is not known; a rule is [range=A..B] read|write|flush|trim|zero|cache|extents|connection FAULT... "
           "[every=N | after=N | times=N | probability=P]");
  if (!seen.insert(key).second) refuse(word, "stands beside another of its kind; write two rules");
}

void check_whole(const RuleText& rule) {
  const bool any = rule.error || rule.delay || rule.flip != 0 || rule.lie || rule.torn || rule.hang || rule.drop;
  if (!rule.ops.any()) refuse(rule.text, "does not say what it is for; write an op, such as read, or connection");
  if (!any) refuse(rule.text, "has no fault; write error=EIO, delay=40ms, flip=1, lie, torn, hang or drop");
  if (rule.flip != 0 && rule.ops != Ops{Op::read}) refuse("flip", "is for read alone");
  if (rule.flip > 64) refuse("flip", "takes up to 64 bits");
  if (rule.torn && rule.ops != Ops{Op::write}) refuse("torn", "is for write alone");
  const bool may_lie = (rule.ops & Ops::changing()) == rule.ops;
  if (rule.lie && !may_lie) refuse("lie", "is for write, flush, trim and zero");
  if (rule.lie && (rule.torn || rule.error)) refuse("lie", "goes with neither torn nor error");
  if (rule.ops == Ops{Op::flush} && !rule.whole_disk()) refuse("range", "is not for flush");
}

}  // namespace

RuleText RuleText::parse(std::string_view text) {
  RuleText rule;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(' ', at);
    if (begin == text.npos) break;
    at = std::min(text.find(' ', begin), text.size());
    rule.text += (rule.text.empty() ? "" : " ") + std::string(text.substr(begin, at - begin));
  }
  if (rule.text.empty()) throw std::invalid_argument("a rule is empty; write, say, \"read error=EIO every=100\"");
  std::set<std::string_view> seen;
  const std::string words = rule.text;
  for (std::string_view rest = words; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    read_word(rule, word, seen);
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  }
  check_whole(rule);
  return rule;
}

}  // namespace ashlar::fault
