// Libnbd: the functions of libnbd that are called here. They are found when something is replayed, so that whoever
// replays nothing needs no libnbd.
#pragma once
#include <libnbd.h>

namespace ashlar::host::traces {

class Libnbd {
 public:
  // Throws std::runtime_error where there is no libnbd.
  Libnbd();
  Libnbd(const Libnbd&) = delete;
  Libnbd& operator=(const Libnbd&) = delete;

 private:
  struct Found {
    void* at;
    template <class Function>
    operator Function*() const {
      return reinterpret_cast<Function*>(at);
    }
  };
  // Throws std::runtime_error when this libnbd does not have it.
  Found find(const char* name) const;

  void* const library_;  // first: the others are found in it. Never closed: it leaves things in each thread

 public:
  // See libnbd(3); each is nbd_NAME.
  decltype(&::nbd_create) const create = find("nbd_create");
  decltype(&::nbd_close) const close = find("nbd_close");
  decltype(&::nbd_get_error) const get_error = find("nbd_get_error");
  decltype(&::nbd_get_errno) const get_errno = find("nbd_get_errno");

  decltype(&::nbd_set_strict_mode) const set_strict_mode = find("nbd_set_strict_mode");
  decltype(&::nbd_set_uri_allow_local_file) const set_uri_allow_local_file = find("nbd_set_uri_allow_local_file");
  decltype(&::nbd_add_meta_context) const add_meta_context = find("nbd_add_meta_context");
  decltype(&::nbd_aio_connect_uri) const aio_connect_uri = find("nbd_aio_connect_uri");

  decltype(&::nbd_aio_is_connecting) const aio_is_connecting = find("nbd_aio_is_connecting");
  decltype(&::nbd_aio_is_ready) const aio_is_ready = find("nbd_aio_is_ready");
  decltype(&::nbd_aio_is_dead) const aio_is_dead = find("nbd_aio_is_dead");
  decltype(&::nbd_aio_is_closed) const aio_is_closed = find("nbd_aio_is_closed");
  decltype(&::nbd_aio_get_fd) const aio_get_fd = find("nbd_aio_get_fd");
  decltype(&::nbd_aio_get_direction) const aio_get_direction = find("nbd_aio_get_direction");
  decltype(&::nbd_aio_notify_read) const aio_notify_read = find("nbd_aio_notify_read");
  decltype(&::nbd_aio_notify_write) const aio_notify_write = find("nbd_aio_notify_write");

  decltype(&::nbd_get_size) const get_size = find("nbd_get_size");
  decltype(&::nbd_is_read_only) const is_read_only = find("nbd_is_read_only");
  decltype(&::nbd_can_flush) const can_flush = find("nbd_can_flush");
  decltype(&::nbd_can_trim) const can_trim = find("nbd_can_trim");
  decltype(&::nbd_can_zero) const can_zero = find("nbd_can_zero");
  decltype(&::nbd_can_fast_zero) const can_fast_zero = find("nbd_can_fast_zero");
  decltype(&::nbd_can_cache) const can_cache = find("nbd_can_cache");
  decltype(&::nbd_can_fua) const can_fua = find("nbd_can_fua");
  decltype(&::nbd_can_multi_conn) const can_multi_conn = find("nbd_can_multi_conn");
  decltype(&::nbd_can_meta_context) const can_meta_context = find("nbd_can_meta_context");

  decltype(&::nbd_aio_pread) const aio_pread = find("nbd_aio_pread");
  decltype(&::nbd_aio_pwrite) const aio_pwrite = find("nbd_aio_pwrite");
  decltype(&::nbd_aio_flush) const aio_flush = find("nbd_aio_flush");
  decltype(&::nbd_aio_trim) const aio_trim = find("nbd_aio_trim");
  decltype(&::nbd_aio_zero) const aio_zero = find("nbd_aio_zero");
  decltype(&::nbd_aio_cache) const aio_cache = find("nbd_aio_cache");
  decltype(&::nbd_aio_block_status) const aio_block_status = find("nbd_aio_block_status");
};

}  // namespace ashlar::host::traces
