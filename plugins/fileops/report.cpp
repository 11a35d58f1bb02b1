// What the operator sees of a backend: each attempt to zero or trim at debug level; each discovery, a new size and the
// totals of zero and trim at info level; lost data at error level.
#include <array>
#include <cstdio>
#include <string>

#include "backend.hpp"
#include "errno_text.hpp"

namespace ashlar::fileops {
namespace {

// Bytes as "64K" when that is exact, otherwise as a plain number. Formats into itself.
class Bytes {
 public:
  explicit Bytes(std::uint64_t bytes) {
    constexpr const char* units[] = {"", "K", "M", "G", "T", "P", "E"};
    std::size_t unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(units)) bytes /= 1024, ++unit;
    std::snprintf(text_.data(), text_.size(), "%llu%s", static_cast<unsigned long long>(bytes), units[unit]);
  }
  const char* text() const { return text_.data(); }

 private:
  std::array<char, 24> text_;
};

}  // namespace

void Backend::log_attempt(Op op, Range range, Method method, int error) const noexcept {
  host_.log(Level::debug, "%s %s@%s: %s %s", ashlar::name(op), Bytes(range.length).text(), Bytes(range.offset).text(),
            name(method), errno_text(error));
}

void Backend::log_discovery(const char* what, int error) const noexcept {
  host_.log(Level::info, "%s is not supported here (%s) and will not be tried again", what, errno_text(error));
}

void Backend::log_lost(int error) const noexcept {
  host_.log(Level::error,
            "data could not be made durable and may be lost (%s): every flush of this file fails from now on, until "
            "all its clients have disconnected",
            errno_message(error));
}

void Backend::log_resized(std::uint64_t before, std::uint64_t now) const noexcept {
  host_.log(Level::info, "the size has changed from %s to %s; clients that are connected keep the old one",
            Bytes(before).text(), Bytes(now).text());
}

void Backend::log_totals() const noexcept try {
  if (!host_.logs(Level::info)) return;
  std::string line;
  const auto add = [&line](const std::string& part) { line += (line.empty() ? "zero and trim: " : "; ") + part; };
  for (std::size_t i = 0; i < method_count; ++i) {
    const auto method = static_cast<Method>(i);
    const Abilities::Totals t = abilities_.totals(method);
    if (t.calls == 0) continue;
    std::string part = std::string(name(method)) + " " + std::to_string(t.done) + " of " + std::to_string(t.calls) +
                       " ok, " + Bytes(t.bytes).text() + " in " + std::to_string(t.nanoseconds / 1'000'000) + " ms";
    if (t.last_error != 0) part += std::string(", last error ") + errno_text(t.last_error);
    add(part);
  }
  if (const auto left = left_to_writing_.load(std::memory_order_relaxed); left != 0)
    add(std::string(Bytes(left).text()) + " left to be written");
  if (!line.empty()) host_.log(Level::info, "%s", line.c_str());
} catch (const std::bad_alloc&) {  // then there is no line
}

}  // namespace ashlar::fileops
