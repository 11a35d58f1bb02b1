#include "cluster.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <rbd/librbd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <system_error>

using namespace ashlar;

namespace {

// In $CEPH_CONF: several files, or one whose name librados is to make first.
constexpr const char* no_plain_file = ";,= \t$";
constexpr std::size_t npos = std::string_view::npos;

std::string text_of(int error) { return std::generic_category().message(error < 0 ? -error : error); }

// Sets errno. access(2) would not ask the sandbox.
bool can_be_read(const char* file) {
  const int fd = ::open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ::close(fd);
  return true;
}

}  // namespace

void keep_loaded(const void* code) {
  Dl_info where{};
  if (::dladdr(code, &where) == 0) return;
  if (void* const itself = ::dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE); itself != nullptr)
    ::dlclose(itself);
}

void leave_behind(const void* code) {
  keep_loaded(code);
  // It is called before the destructors, as it is registered later.
  static const int registered = ::on_exit(
      [](int status, void*) {
        std::cout.flush();
        std::fflush(nullptr);
        ::_exit(status);
      },
      nullptr);
  static_cast<void>(registered);
}

Cluster::Cluster(const Settings& settings) {
  // Ceph's libraries have threads, and data of threads, that end with the process.
  keep_loaded(reinterpret_cast<const void*>(&rbd_open));
  keep_loaded(reinterpret_cast<const void*>(&rados_create));
  rados_t cluster = nullptr;
  if (const int r = rados_create(&cluster, settings.user.c_str()); r < 0)
    throw BadParameter("user", "client." + settings.user + " is nobody who could connect: " + text_of(r), -r);
  cluster_.reset(cluster);
  set_options(settings);
  connect(settings);
  open_pool(settings);
}

void Cluster::read_configuration(const Settings& settings) {
  const auto refuse = [](const std::string& which, int error) {
    throw BadParameter("conf", which + " cannot be read: " + text_of(error), error);
  };
  // librados passes over one that is named there and is not to be had.
  const char* const named = std::getenv("CEPH_CONF");
  if (settings.conf.empty() && named != nullptr && *named != 0 &&
      std::string_view(named).find_first_of(no_plain_file) == npos && !can_be_read(named))
    refuse(std::string("$CEPH_CONF = ") + named, errno);
  // Without a file there may still be options that say where the cluster is.
  const char* const conf = settings.conf.empty() ? nullptr : settings.conf.c_str();
  if (const int r = rados_conf_read_file(cluster_.get(), conf); r < 0 && (conf != nullptr || r != -ENOENT))
    refuse(conf != nullptr ? settings.conf : "Ceph's configuration", -r);
}

void Cluster::set_options(const Settings& settings) {
  read_configuration(settings);
  const std::string seconds = std::to_string(settings.timeout.count());
  // The log and what is beside it are the server's, unless `options` says otherwise.
  const std::pair<const char*, std::string> own[] = {{"client_mount_timeout", seconds},
                                                     {"rados_mon_op_timeout", seconds},
                                                     {"rbd_cache", settings.cache ? "true" : "false"},
                                                     {"rbd_non_blocking_aio", "true"},
                                                     {copy_option, "true"},
                                                     {"log_file", ""},
                                                     {"log_to_stderr", "false"},
                                                     {"err_to_stderr", "false"},
                                                     {"admin_socket", ""}};
  for (const auto& [name, value] : own) rados_conf_set(cluster_.get(), name, value.c_str());
  if (!settings.key.empty())
    if (const int r = rados_conf_set(cluster_.get(), "key", settings.key.c_str()); r < 0)
      throw BadParameter("key", "the key is not one of Ceph's: " + text_of(r), -r);
  for (const auto& [name, value] : settings.options)
    if (const int r = rados_conf_set(cluster_.get(), name.c_str(), value.c_str()); r < 0)
      throw BadParameter("options", name + "=" + value + ": " +
                                        (r == -ENOENT ? "Ceph has no such option" : "Ceph refuses it: " + text_of(r)));
}

void Cluster::connect(const Settings& settings) {
  const int r = rados_connect(cluster_.get());
  if (r == 0) return;
  char hosts[256] = "";
  rados_conf_get(cluster_.get(), "mon_host", hosts, sizeof(hosts));
  const std::string where = *hosts != '\0' ? std::string(" (mon_host = ") + hosts + ")" : "";
  if (r == -EACCES || r == -EPERM)
    throw BadParameter(settings.key.empty() ? "user" : "key",
                       "the cluster" + where + " refuses client." + settings.user + ": " + text_of(r), -r);
  if (r == -ENOENT)
    throw BadParameter(settings.conf.empty() ? "user" : "conf",
                       "no monitor of a cluster, or no key of client." + settings.user + ", is to be found" + where,
                       -r);
  throw BadParameter("conf", "the cluster" + where + " cannot be reached: " + text_of(r), -r);
}

void Cluster::open_pool(const Settings& settings) {
  rados_ioctx_t pool = nullptr;
  if (const int r = rados_ioctx_create(cluster_.get(), settings.pool.c_str(), &pool); r < 0)
    throw BadParameter(
        "pool",
        "the pool \"" + settings.pool + "\" " + (r == -ENOENT ? "is not there" : "cannot be opened: " + text_of(r)),
        -r);
  pool_.reset(pool);
  // Full, it is to answer so rather than not at all.
  rados_set_pool_full_try(pool);
  if (settings.name_space.empty()) return;
  bool there = false;
  const int r = rbd_namespace_exists(pool, settings.name_space.c_str(), &there);
  if (r < 0 || !there)
    throw BadParameter("namespace",
                       "the namespace \"" + settings.name_space + "\" of the pool \"" + settings.pool + "\" " +
                           (r < 0 ? "cannot be looked for: " + text_of(r) : "is not there"),
                       r < 0 ? -r : ENOENT);
  rados_ioctx_set_namespace(pool, settings.name_space.c_str());
}

std::vector<std::string> Cluster::images() const {
  std::vector<rbd_image_spec_t> found(64);
  for (;;) {
    std::size_t count = found.size();
    const int r = rbd_list2(pool_.get(), found.data(), &count);
    if (r == -ERANGE) {
      found.resize(count + 64);
      continue;
    }
    if (r < 0) throw std::system_error(-r, std::generic_category(), "the images of the pool cannot be listed");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.emplace_back(found[i].name);
    rbd_image_spec_list_cleanup(found.data(), count);
    return names;
  }
}
