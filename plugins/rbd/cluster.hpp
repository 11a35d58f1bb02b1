// Cluster: a connection to a Ceph cluster, and there to one pool.
#pragma once
#include <rados/librados.h>

#include <memory>
#include <string>
#include <vector>

#include "settings.hpp"

// Has the library that `code` is in stay until the process ends.
void keep_loaded(const void* code);
// The same for `code` that a thread goes on with when nobody waits for it any more. The process ends without the
// destructors of static objects then, as that thread and those of Ceph's libraries still use theirs.
void leave_behind(const void* code);

class Cluster {
 public:
  // Connects. Blocks for up to the timeout, or longer. Throws BadParameter, std::runtime_error.
  explicit Cluster(const Settings& settings);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // The pool, in its namespace.
  rados_ioctx_t pool() const { return pool_.get(); }
  // The names of the images there. Blocks. Throws std::system_error, std::bad_alloc.
  std::vector<std::string> images() const;

 private:
  void read_configuration(const Settings& settings);
  void set_options(const Settings& settings);
  void connect(const Settings& settings);
  void open_pool(const Settings& settings);

  struct Shutdown {
    void operator()(rados_t cluster) const { rados_shutdown(cluster); }
  };
  struct Destroy {
    void operator()(rados_ioctx_t pool) const { rados_ioctx_destroy(pool); }
  };
  std::unique_ptr<void, Shutdown> cluster_;
  std::unique_ptr<void, Destroy> pool_;
};
