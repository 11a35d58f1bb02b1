// Subject: the module under check, and how it is opened.
#pragma once
#include <ashlar/testing/library.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

#include "device.hpp"
#include "disk.hpp"
#include "options.hpp"
#include "runner.hpp"

namespace ashlar::check {

// A module, loaded, with the parameters that it is to be used with.
struct Subject {
  const Options& options;
  Watch& watch;
  const ashlar_module& module;
  const ashlar_entry_fn entry;
  const std::size_t size_index;                     // in disk_sizes: of the disk that the filter accepts
  const std::chrono::steady_clock::time_point end;  // for what is tried as long as there is time

  bool is_filter() const { return module.kind == ASHLAR_FILTER; }
  bool is_parallel() const { return module.threads == ASHLAR_PARALLEL; }
};

struct Range {
  std::uint64_t offset, length;
  std::uint64_t end() const { return offset + length; }
};

// Where a disk of `size` bytes is looked at: all of a small one; of a large one its ends, and where numbers of 31, 32
// and more bits end, with `around` bytes on either side.
std::vector<Range> places(std::uint64_t size, std::uint64_t around);

// The sizes of disk that a filter is tried over, until it can be opened: a window may lie far behind.
extern const std::vector<std::uint64_t> disk_sizes;

// Counts the tries of a check: at most so many, and no more than a few when they take long.
class Tries {
 public:
  Tries(const Subject& subject, int most, int least = 8) : end_(subject.end), most_(most), least_(least) {}
  // Of one of several threads: goes on beyond `most` until all have been interrupted in the middle of something. On a
  // busy machine the tries of one are otherwise over before another has a processor.
  Tries& among_threads() {
    no_sooner_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    return *this;
  }
  bool more() {
    const auto now = std::chrono::steady_clock::now();
    return (done_ < most_ || now < no_sooner_) && (done_++ < least_ || now < end_);
  }
  int number() const { return done_ - 1; }

 private:
  const std::chrono::steady_clock::time_point end_;
  std::chrono::steady_clock::time_point no_sooner_{};
  const int most_, least_;
  int done_ = 0;
};

// A bit that no op, flag or trait has yet.
inline constexpr std::uint64_t unheard_of = std::uint64_t{1} << 40;

// Of a layer that can do no more.
inline constexpr Ops plain_ops = Ops{Op::read} | Ops{Op::write} | Ops{Op::flush};

// The disk below a filter, if it is to be another than the usual one.
struct Under {
  std::function<void(Geometry&)> geometry = {};
  Disk::Lends lends = Disk::Lends::by_turns;
  bool far = false;         // larger than 4 TiB
  bool unheard_of = false;  // it offers what no revision of the ABI has
};

// A layer of the subject, with one device: a plugin by itself, a filter over a disk that is full of data and holes.
class Bench {
 public:
  // Throws Unusable when the module refuses the usual disk, NotMade when it refuses another.
  explicit Bench(const Subject& subject, const Under& under = {});
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // A device more, over a connection of its own.
  class Opened;
  std::unique_ptr<Opened> open(bool read_only = false, std::uint32_t purpose = ASHLAR_OPEN_FOR_CLIENT);
  // The layer below a filter, for a call of a verb. It stays until the bench goes, so that what comes too late is seen.
  // Safe for all threads.
  Disk::Connection& connect_for_verb();
  void forget_verbs() { for_verbs_.clear(); }
  // Closes the layer and makes it anew, over the disk as it is.
  void reopen();
  // The same without a chance for the layer to put right what the power cut has left.
  void lose_power();

  Device& device();
  const Geometry& geometry() { return device().geometry(); }
  Disk& disk() { return *disk_; }
  Layer& layer() { return *layer_; }
  Services& services() { return services_; }
  // Whether what it holds may be changed.
  bool writes();
  // Whether the device offers `op`, and it may be sent.
  bool may_send(Op op);
  void need_writes();
  // Whether the filter has said so; throws NotMade if it has.
  bool never_writes_below() const;
  void need_writes_below() const;
  // Throws Broken for all that nobody looks at after each request.
  void look();

  static Geometry usual_below(std::uint64_t size);

 private:
  void start();

  const Subject& subject_;
  Services services_;
  std::unique_ptr<Disk> disk_;
  std::mutex mutex_;  // of what comes next alone
  std::vector<std::unique_ptr<Disk::Connection>> for_verbs_;
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<Opened> first_;
};

// Tries `check` over each of these layers below a filter, and looks at what nobody looks at then; of a plugin, once.
// Content where it is not made over some of them; throws NotMade when it is made over none.
void over_layers(const Subject& subject, const std::vector<Under>& layers, const std::function<void(Bench&)>& check);

class Bench::Opened {
 public:
  // `connection`: nullptr for a plugin. Throws Refused and Broken.
  Opened(Layer& layer, std::unique_ptr<Disk::Connection> connection, bool read_only, std::uint32_t purpose)
      : connection_(std::move(connection)),
        device(layer, {.read_only = read_only, .purpose = purpose, .below = connection_.get()}) {}
  // What its filter has as `next`.
  const Disk::Connection& connection() const { return *connection_; }
  void look() const {
    device.look();
    if (connection_ != nullptr) connection_->look();
  }

 private:
  std::unique_ptr<Disk::Connection> connection_;

 public:
  Device device;
};

}  // namespace ashlar::check
