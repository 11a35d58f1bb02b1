// Unpacked: the frames that were unpacked lately, and those that are being unpacked, for all connections of an export.
//
// A request reads the packed bytes, for itself and for what will be asked for next; threads of the pool unpack them.
#pragma once
#include <ashlar/host.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "buffers.hpp"
#include "format.hpp"
#include "pool.hpp"

namespace ashlar::frames {

struct Figures {
  explicit Figures(const Metrics& metrics);
  const Counter hits, misses, ahead, whole, broken;
};

class Unpacked {
 public:
  // Keeps `bytes` of unpacked frames at most, which is twice as much as any of them has, or more. What it refers to
  // outlives it.
  Unpacked(Index index, std::uint64_t bytes, Format& format, const Figures& figures, Host host);

  const Index& index() const { return index_; }
  // As in Device. [data]
  Status read(Io& io, const Below& below) noexcept;
  Status cache(Io& io, const Below& below) noexcept;

 private:
  // A frame, from when somebody wants it.
  struct Piece {
    explicit Piece(std::uint64_t n) : number(n) {}
    const std::uint64_t number;
    std::shared_ptr<const std::byte> packed;  // while a thread is to unpack it
    Buffers::Buffer bytes;
    bool ready = false;   // or failed
    bool again = false;   // it could not be read by another request: who wants it tries by himself
    bool wanted = false;  // by a request, and not only ahead
    unsigned users = 0;   // requests that read it, or wait for it: it stays
    Status status;        // EIO: it cannot be unpacked
    std::vector<Wait::Ticket*> waiting;
    std::list<std::uint64_t>::iterator age;  // in ages_, when it is ready
  };
  using Found = std::shared_ptr<Piece>;
  // The numbers of frames, without `last`.
  struct Range {
    std::uint64_t first = 0, last = 0;
  };
  // A piece that a request uses.
  class Use;

  Status get(const Io& io, const Below& below, std::uint64_t number, bool nowait, Use& use);
  void let_go(const Found& piece) noexcept;
  Range next_ones(std::uint64_t number) const;
  void add_next_ones(Range range, std::vector<Found>& to);
  bool make_room(std::uint64_t bytes);
  void wait_for(std::vector<Wait::Ticket*>& list, std::unique_lock<std::mutex>& lock);
  static void wake(std::vector<Wait::Ticket*>& list) noexcept;
  std::uint64_t room_for(std::uint64_t number) const;
  Found add(std::uint64_t number);
  Status fetch(const Io& io, const Below& below, std::span<const Found> pieces, bool own) noexcept;
  Status fetch_together(const Io& io, const Below& below, std::span<const Found> pieces, bool own) noexcept;
  void hand_out(const Found& piece, const std::shared_ptr<std::byte[]>& packed, std::uint64_t from,
                bool ahead) noexcept;
  void hasten(const Found& piece) noexcept;
  void unpack(const Found& piece) noexcept;
  Status unpack_into(const Frame& frame, std::span<const std::byte> packed, std::span<std::byte> into) noexcept;
  void start();
  std::uint64_t end_of_bulk(const Io& io, std::uint64_t number);
  Status read_bulk(const Io& io, const Below& below, std::uint64_t first, std::uint64_t last);
  void finish(const Found& piece, Status s, bool again) noexcept;

  const Index index_;
  const std::uint64_t most_;
  Format& format_;
  const Figures& figures_;
  const Host host_;
  const Wait wait_;

  Buffers buffers_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Found> pieces_;
  std::list<std::uint64_t> ages_;  // the numbers of those that are ready, from the one not used for the longest time on
  std::uint64_t held_ = 0;         // room_for() all pieces
  std::uint64_t known_to_;         // behind this byte of the disk nothing lies where the index says
  std::vector<Wait::Ticket*> want_room_;
  std::unique_ptr<Pool> pool_;  // last; made by the first request
};

}  // namespace ashlar::frames
