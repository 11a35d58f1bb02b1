#include "snapshot.hpp"

#include <endian.h>
#include <rbd/librbd.h>

#include <cerrno>
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

Snapshot::~Snapshot() {
  std::unique_lock lock(mutex_);
  over_.wait(lock, [this] { return !asks_; });
}

// A snapshot whose bytes go is one in the trash first.
int Snapshot::outcome(int result, Reply& reply) noexcept {
  std::uint32_t kind = 0;
  const bool tells = reply.size >= at_kind + sizeof kind;
  if (tells) std::memcpy(&kind, reply.bytes + at_kind, sizeof kind);
  rados_buffer_free(reply.bytes);
  reply = {};
  if (result == -EOPNOTSUPP) return 0;  // OSDs before Ceph 13 do not tell
  if (result < 0) return result;
  if (!tells) return -EIO;
  return le32toh(kind) == RBD_SNAP_NAMESPACE_TYPE_TRASH ? -ENOENT : 0;
}

template <class Call>
int Snapshot::question(Reply& reply, Call call) const noexcept {
  const rados_read_op_t op = rados_create_read_op();
  rados_read_op_exec(op, class_of, method, reinterpret_cast<const char*>(&id_), sizeof id_, &reply.bytes, &reply.size,
                     nullptr);
  const int r = call(op);
  rados_release_read_op(op);
  return r;
}

int Snapshot::look() const noexcept {
  Reply reply;
  const int r =
      question(reply, [this](rados_read_op_t op) { return rados_read_op_operate(op, pool_, header_.c_str(), 0); });
  return outcome(r, reply);
}

int Snapshot::ask(void* request) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(request);
    if (std::exchange(asks_, true)) return 0;
  } catch (const std::exception&) {
    return -ENOMEM;
  }
  go_on();
  return 0;
}

// Of one thread at a time: the one that has set asks_, then librados's, with each answer.
void Snapshot::go_on() noexcept {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        asks_ = false;
        over_.notify_all();
        return;
      }
      asked_.swap(waiting_);
    }
    const int r = begin();
    if (r >= 0) return;
    tell(r);
  }
}

int Snapshot::begin() noexcept {
  rados_completion_t completion = nullptr;
  if (const int r = rados_aio_create_completion2(this, &answered, &completion); r < 0) return r;
  const int r = question(
      reply_, [&](rados_read_op_t op) { return rados_aio_read_op_operate(op, pool_, completion, header_.c_str(), 0); });
  if (r < 0) rados_aio_release(completion);
  return r;
}

void Snapshot::answered(rados_completion_t completion, void* self) noexcept {
  Snapshot& snapshot = *static_cast<Snapshot*>(self);
  const int result = rados_aio_get_return_value(completion);
  rados_aio_release(completion);
  snapshot.tell(outcome(result, snapshot.reply_));
  snapshot.go_on();
}

void Snapshot::tell(int result) noexcept {
  for (void* const request : asked_) Requests::completed(request, result);
  asked_.clear();
}
