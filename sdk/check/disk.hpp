// Disk: what a filter is checked over. It may be very large, has holes, lends, tells extents in pieces, fails or
// answers EAGAIN as told, remembers what a power cut would leave, and records every call and every breach of the
// contract.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "device.hpp"
#include "store.hpp"

namespace ashlar::check {

// Safe for all threads. Keeps its address; outlives its connections.
class Disk {
 public:
  struct Call {
    Op op;
    std::uint64_t offset, length;
    Flags flags;
    std::uint64_t id;
    unsigned connection;
    Status status;  // how it was answered

    std::uint64_t end() const { return offset + length; }
    std::string text() const { return request_text(static_cast<std::uint32_t>(op), offset, length, flags.bits()); }
  };
  // How reads with shortcuts are answered.
  enum class Lends { never, warm, cold, by_turns };

  explicit Disk(const Geometry& geometry);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // What a filter gets as `next`, for one connection. Outlives the filter's device.
  class Connection;
  std::unique_ptr<Connection> connect();

  const Geometry& geometry() const { return geometry_; }
  // Bits that this revision does not know, added to what the layers above are told.
  void add_unheard_of(std::uint64_t ops, std::uint64_t flags, std::uint64_t traits);

  // Before requests run, or between them.
  void lend(Lends how) { lends_ = how; }
  // Extents of at most so many bytes each, and at most so many of them in one answer; 0: as they are.
  void tell_extents_in(std::uint64_t bytes, std::size_t most) {
    extent_bytes_ = bytes;
    extent_most_ = most;
  }
  // From now on it is a breach to change anything.
  void forbid_changes(const char* why) { forbidden_ = why; }
  // Asked before each call is carried out, with the number of calls since forget_calls(): what it answers with instead,
  // or success. Runs on the caller's thread, without a lock; may call the layer above.
  void judge(std::function<Status(const Call&, std::size_t number)> f) { judge_ = std::move(f); }

  Store& store() { return now_; }
  // Fills these places, durably: data that differ from all others, holes and zeroes amid.
  void fill(std::uint64_t offset, std::uint64_t length);
  // What was not made durable is gone.
  void cut_power();

  std::vector<Call> calls() const;
  void forget_calls();
  std::size_t connections() const { return connections_; }
  // What the layer above was not to do, one text each.
  std::vector<std::string> breaches() const;
  // Throws Broken with the first of them.
  void look() const;

 private:
  friend class Connection;
  struct Volatile {
    std::uint64_t offset, length;
    unsigned connection;
    friend auto operator<=>(const Volatile&, const Volatile&) = default;
  };

  Status request(Connection& from, ashlar_io& io);
  std::string breach(const Connection& from, const ashlar_io& io) const;
  using Extents = std::vector<Store::Extent>;
  Status carry_out(const Connection& from, Io& io, Extents& to_tell);
  Status read(Io& io, Extents& to_tell);
  Extents extents(const Io& io) const;
  void changed(const Connection& from, const Io& io);
  void make_durable(const Connection& from);
  void note(const std::string& breach);

  Geometry geometry_;
  std::uint64_t more_ops_ = 0, more_flags_ = 0, more_traits_ = 0;
  Lends lends_ = Lends::never;
  std::uint64_t extent_bytes_ = 0;
  std::size_t extent_most_ = 0;
  std::function<Status(const Call&, std::size_t)> judge_;
  const char* forbidden_ = nullptr;

  mutable std::mutex mutex_;
  Store now_, durable_;
  std::vector<Volatile> volatile_;
  std::vector<Call> calls_;
  std::size_t forgotten_ = 0;
  std::vector<std::string> breaches_;
  unsigned connections_ = 0;
  std::size_t turns_ = 0;
};

class Disk::Connection final : public Below {
 public:
  Connection(Disk& disk, unsigned number);

  const ashlar_device* device() const override { return device_.get(); }
  const ashlar_geometry* geometry() const override { return geometry_.get(); }
  void enter(std::uint64_t id) override;
  void leave(std::uint64_t id) override;
  unsigned number() const { return number_; }
  // Throws Broken if the layer above has changed what it was only to read.
  void look() const;

 private:
  friend class Disk;
  static Connection& of(void* self) { return *static_cast<Connection*>(self); }
  static std::int32_t describe(void* self, ashlar_geometry* out, ashlar_error*) noexcept;
  static std::int32_t process(void* self, ashlar_io* io) noexcept;
  static void close(void* self) noexcept;
  static const void* extension(void*, const char*) noexcept { return nullptr; }

  Disk& disk_;
  const unsigned number_;
  mutable std::mutex mutex_;
  struct Above {
    std::uint64_t id;
    std::thread::id thread;
  };
  std::vector<Above> under_way_;  // calls of the layer above
  Padded<ashlar_device> device_;
  Padded<ashlar_geometry> geometry_;
};

// The byte that fill() puts at `offset`; never 0.
std::byte byte_at(std::uint64_t offset);

}  // namespace ashlar::check
