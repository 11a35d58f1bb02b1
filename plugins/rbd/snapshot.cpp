#include "snapshot.hpp"

#include <endian.h>
#include <rbd/librbd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <utility>

#include "requests.hpp"

namespace {

constexpr const char *class_of = "rbd", *method = "snapshot_get";

// A version, the oldest that reads it, a length (1, 1, 4 bytes) and the number (8); again a version, the oldest and a
// length, and what kind of snapshot it is (4). All numbers are little endian. (Ceph, src/cls/rbd/cls_rbd_types.cc)
constexpr std::size_t at_kind = 20;

}  // namespace

Snapshot::Snapshot(rados_ioctx_t pool, std::string header, std::uint64_t id)
    : pool_(pool), header_(std::move(header)), id_(htole64(id)) {}

// A snapshot whose bytes go is one in the trash first. librados makes the memory for the answer, which is as long as
// the snapshot's name, and others may change that.
int Snapshot::look() const noexcept {
  char* reply = nullptr;
  std::size_t size = 0;
  const rados_read_op_t op = rados_create_read_op();
  rados_read_op_exec(op, class_of, method, reinterpret_cast<const char*>(&id_), sizeof id_, &reply, &size, nullptr);
  const int r = rados_read_op_operate(op, pool_, header_.c_str(), 0);
  rados_release_read_op(op);
  std::uint32_t kind = 0;
  const bool tells = size >= at_kind + sizeof kind;
  if (tells) std::memcpy(&kind, reply + at_kind, sizeof kind);
  rados_buffer_free(reply);
  if (r == -EOPNOTSUPP) return 0;  // OSDs before Ceph 13 do not tell
  if (r < 0) return r;
  if (!tells) return -EIO;
  return le32toh(kind) == RBD_SNAP_NAMESPACE_TYPE_TRASH ? -ENOENT : 0;
}

int Snapshot::ask(void* request) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    waiting_.push_back(request);
  } catch (const std::exception&) {
    return -ENOMEM;
  }
  if (asks_) return 0;
  try {
    worker_.post([this] { go_on(); });
  } catch (const std::exception&) {
    waiting_.pop_back();
    return -ENOMEM;
  }
  asks_ = true;
  return 0;
}

void Snapshot::go_on() noexcept {
  std::vector<void*> asked_for;
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      asks_ = !waiting_.empty();
      if (!asks_) return;
      asked_for.swap(waiting_);
    }
    const int result = look();
    for (void* const request : asked_for) Requests::completed(request, result);
    asked_for.clear();
  }
}
