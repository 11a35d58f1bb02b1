// Snapshot: whether the one that an image is read at is still there, as the cluster says. Of one that is removed Ceph
// answers zeroes, or bytes of now, and no error. Who removes it makes that known in the image's header before a byte is
// gone: what was read before it is asked for here, and found there, is the snapshot's.
#pragma once
#include <rados/librados.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "worker.hpp"

class Snapshot {
 public:
  // The one with the number `id`, of the image whose header is the object `header` in `pool`, which outlives it. The
  // destructor waits until the cluster has answered. [the worker]
  Snapshot(rados_ioctx_t pool, std::string header, std::uint64_t id);
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // 0: it is there; -ENOENT: it has been removed; another negative errno number: nobody knows. Blocks. [any thread]
  int look() const noexcept;
  // The same by Requests::completed(), for `request`, as the cluster tells it when asked from now on. All who come
  // while it is being asked are answered by the question behind that. A negative errno number: there will be no
  // answer. [data]
  int ask(void* request) noexcept;

 private:
  void go_on() noexcept;

  const rados_ioctx_t pool_;
  const std::string header_;
  const std::uint64_t id_;  // little endian

  std::mutex mutex_;            // of the next
  bool asks_ = false;           // go_on() is under way
  std::vector<void*> waiting_;  // for the next question

  // Last: it needs the rest. One of its own, as librados lets even those wait who ask without waiting for the answer,
  // while too much is under way that an OSD does not answer.
  Worker worker_;
};
