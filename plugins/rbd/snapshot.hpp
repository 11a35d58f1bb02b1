// Snapshot: whether the one that an image is read at is still there, as the cluster says. Of one that is removed Ceph
// answers zeroes, or bytes of now, and no error. Who removes it makes that known in the image's header before a byte is
// gone: what was read before it is asked for here, and found there, is the snapshot's.
#pragma once
#include <rados/librados.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

class Snapshot {
 public:
  // The one with the number `id`, of the image whose header is the object `header` in `pool`, which outlives it.
  Snapshot(rados_ioctx_t pool, std::string header, std::uint64_t id);
  // Waits until the cluster has answered. [the worker]
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // 0: it is there; -ENOENT: it has been removed; another negative errno number: nobody knows. Blocks. [the worker]
  int look() const noexcept;
  // The same by Requests::completed(request, …), as the cluster tells it when asked from now on. All who come while it
  // is being asked are answered by the question behind that. A negative errno number: there will be no answer. [data]
  int ask(void* request) noexcept;

 private:
  // librados's, to be given back. It is as long as the snapshot's name, which others may change: rados_aio_exec() would
  // write behind the end of memory of ours that it does not fit in.
  struct Reply {
    char* bytes = nullptr;
    std::size_t size = 0;
  };

  // Has `call`, a callable int(rados_read_op_t), ask for it.
  template <class Call>
  int question(Reply& reply, Call call) const noexcept;
  static int outcome(int result, Reply& reply) noexcept;
  static void answered(rados_completion_t completion, void* self) noexcept;
  void go_on() noexcept;
  int begin() noexcept;
  void tell(int result) noexcept;

  const rados_ioctx_t pool_;
  const std::string header_;
  const std::uint64_t id_;  // little endian
  Reply reply_;             // librados's while the cluster is asked

  std::mutex mutex_;  // of the next
  std::condition_variable over_;
  bool asks_ = false;           // somebody goes on
  std::vector<void*> waiting_;  // for the next question
  std::vector<void*> asked_;    // for; of who goes on
};
