#include "names.hpp"

#include <rbd/librbd.h>

#include <algorithm>
#include <ashlar/params.hpp>
#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "cluster.hpp"

using namespace ashlar;

namespace {

// Of monitors that do not answer librados itself tells after the timeout.
constexpr std::chrono::seconds more_than_monitors{1};

Settings settings_of(std::string path) {
  Settings found;
  if (const std::size_t at = path.find('@'); at != path.npos) {
    found.snapshot = path.substr(at + 1);
    path.erase(at);
  }
  const std::size_t first = path.find('/'), last = path.rfind('/');
  found.pool = first == path.npos ? "rbd" : path.substr(0, first);
  if (first != last) found.name_space = path.substr(first + 1, last - first - 1);
  found.image = first == path.npos ? path : path.substr(last + 1);
  found.timeout = std::chrono::seconds(10);
  return found;
}

struct Close {
  void operator()(rbd_image_t image) const { rbd_close(image); }
};
using Handle = std::unique_ptr<void, Close>;

Handle open_image(const Cluster& cluster, const Settings& settings) {
  rbd_image_t image = nullptr;
  const char* const snapshot = settings.snapshot.empty() ? nullptr : settings.snapshot.c_str();
  if (const int r = rbd_open_read_only(cluster.pool(), settings.image.c_str(), &image, snapshot); r < 0)
    throw std::system_error(-r, std::generic_category(), settings.shown());
  return Handle(image);
}

struct Seen {
  rbd_image_info_t info{};
  std::uint64_t features = 0, flags = 0;
};

Seen look(const Settings& settings) {
  const Cluster cluster(settings);
  const Handle image = open_image(cluster, settings);
  Seen seen;
  rbd_stat(image.get(), &seen.info, sizeof(seen.info));
  rbd_get_features(image.get(), &seen.features);
  rbd_get_flags(image.get(), &seen.flags);
  return seen;
}

// librbd waits for a cluster that does not answer for ever: it is left to that. Throws what look() throws, and
// std::system_error.
Seen look_in_time(const Settings& settings) {
  std::packaged_task<Seen()> task([settings] { return look(settings); });
  std::future<Seen> seen = task.get_future();
  std::thread thread(std::move(task));
  if (seen.wait_for(settings.timeout + more_than_monitors) == std::future_status::ready) {
    thread.join();
    return seen.get();
  }
  leave_behind(&more_than_monitors);
  thread.detach();
  throw std::system_error(ETIMEDOUT, std::generic_category(), settings.shown());
}

}  // namespace

void list_names(const std::string& pattern, const std::vector<std::string>& names, const ExportsSink& sink) {
  const std::size_t star = pattern.find('*');
  if (star == pattern.npos || pattern.find('*', star + 1) != pattern.npos)
    throw BadParameter("image",
                       "image = \"" + pattern + "\" has not one * for the names of images to stand in its place");
  const std::string before = pattern.substr(0, star), after = pattern.substr(star + 1);
  for (const std::string& name : names) {
    if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after)) continue;
    const std::string found = name.substr(star, name.size() - before.size() - after.size());
    if (!found.starts_with('.') && !sink.add(found)) return;
  }
}

void probe_image(const ProbeRequest& request) {
  const Settings settings = settings_of(request.path);
  const Seen seen = look_in_time(settings);
  const ProbeReport& report = request.report;
  report.kind("RBD image " + settings.shown() + ", " + std::to_string(seen.info.size) + " bytes in objects of " +
              std::to_string(seen.info.obj_size));
  const auto has = [&](std::uint64_t feature) {
    return (seen.features & feature) != 0 ? Supported::yes : Supported::no;
  };
  report.row("exclusive_lock", has(RBD_FEATURE_EXCLUSIVE_LOCK), "one server at a time writes to it");
  report.row("object_map", has(RBD_FEATURE_OBJECT_MAP), "the cluster knows which objects there are");
  const bool valid = (seen.flags & (RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID)) == 0;
  report.row("extents", (seen.features & RBD_FEATURE_FAST_DIFF) != 0 && valid ? Supported::yes : Supported::no,
             valid ? "holes are told of, by fast-diff" : "the object map is not valid: rbd object-map rebuild");
  report.row("trim", Supported::yes, "rbd_aio_discard");
  report.row("zero", Supported::yes, "rbd_aio_write_zeroes");
}
