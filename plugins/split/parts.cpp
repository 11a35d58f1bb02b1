#include "parts.hpp"

#include <algorithm>
#include <limits>

using namespace ashlar;

namespace {

fileops::OpenOptions options(const std::string& path, bool read_only) {
  fileops::OpenOptions options;
  options.path = path;
  options.read_only = read_only;
  return options;
}

// What all parts can do: `into`, cut to what `one` can.
void cut(Geometry& into, const Geometry& one) {
  into.ops &= one.ops;
  into.flags &= one.flags;
  into.minimum = std::max(into.minimum, one.minimum);
  into.preferred = std::max(into.preferred, one.preferred);
  if (one.maximum != 0) into.maximum = into.maximum != 0 ? std::min(into.maximum, one.maximum) : one.maximum;
  into.read_only = into.read_only || one.read_only;
  into.rotational = into.rotational || one.rotational;
  into.multi_conn = into.multi_conn && one.multi_conn;
  into.zero_may_fail = into.zero_may_fail || one.zero_may_fail;
  into.depth = std::max(into.depth, one.depth);
}

}  // namespace

Parts::Parts(const Create& create) {
  const auto given = create.params.list("paths");
  if (given.empty()) throw BadParameter("paths", "paths has no path in it");
  for (const ashlar_value* value : given) {
    paths_.emplace_back(value->text);
    backends_.emplace_back(options(paths_.back(), create.params.boolean("read_only")), create.host);
  }
}

Parts::Use::Use(Parts& parts, bool read_only) {
  std::vector<fileops::Identity> seen;
  for (std::size_t i = 0; i != parts.paths_.size(); ++i) {
    const std::string& path = parts.paths_[i];
    try {
      seen.push_back(fileops::identify(options(path, read_only)));
      if (std::count(seen.begin(), seen.end(), seen.back()) != 1)
        throw BadParameter("paths", path + " is in paths twice: what is written to one part would show in the other");
      add(path, *held_.emplace_back(parts.backends_[i], read_only), i + 1 == parts.paths_.size());
    } catch (const fileops::OpenError& e) {
      throw BadParameter("paths", e.what(), e.code().value());
    }
  }
  parts.must_be_as_before(all_);
}

void Parts::Use::add(const std::string& path, fileops::Backend& backend, bool is_last) {
  const Geometry one = backend.geometry();
  const std::uint64_t begin = geometry_.size;
  if (one.size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - begin)
    throw BadParameter("paths", "up to " + path + " the parts are longer together than any disk can be");
  if (all_.empty()) geometry_ = one;
  else cut(geometry_, one);
  geometry_.size = begin + one.size;
  if (!is_last && one.size % geometry_.minimum != 0)
    throw BadParameter("paths", path + " has " + std::to_string(one.size) + " bytes, not a multiple of the " +
                                    std::to_string(geometry_.minimum) + " byte blocks; only the last part may end so");
  all_.push_back({begin, geometry_.size, &backend});
}

void Parts::must_be_as_before(const std::vector<Part>& now) {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> ends;
  for (std::size_t i = 0; i + 1 != now.size(); ++i) ends.push_back(now[i].end);
  if (ends_.empty()) ends_ = ends;
  for (std::size_t i = 0; i != ends.size(); ++i)
    if (ends[i] != ends_[i])
      throw BadParameter("paths", paths_[i] +
                                      " has changed its size: what lies behind it would be at another place; "
                                      "start the server anew if this is meant");
}
