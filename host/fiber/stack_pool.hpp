// StackPool: where the stacks of fibers come from.
#pragma once
#include <cstddef>
#include <mutex>
#include <vector>

namespace ashlar::host {

// What the calls of a fiber stand on. It takes memory only as deep as it has been used.
class Stack {
 public:
  // Room for what modules and their libraries do within a call: a name that is looked up, a handshake, a line that is
  // formatted. It costs addresses, not memory.
  static constexpr std::size_t size = 256 * 1024;
  // Below it: who runs over the end dies at once, also with a large frame. Costs no memory either.
  static constexpr std::size_t guard = 64 * 1024;
  // What calls take of it, as a rule: so much of it counts as memory, and may be kept while it is not in use.
  static constexpr std::size_t usually_used = 16 * 1024;

  Stack() = default;
  bool is_there() const { return end_ != nullptr; }
  std::byte* begin() const { return end_ - size; }
  std::byte* end() const { return end_; }  // where the first call begins

 private:
  friend class StackPool;
  explicit Stack(std::byte* end) : end_(end) {}
  std::byte* end_ = nullptr;
};

// All members: [any thread]
class StackPool {
 public:
  // `most`: stacks at once.
  explicit StackPool(std::size_t most = most_of_system());
  ~StackPool();  // all have been given back
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  // A stack whose contents are anything. One that is not there: there are as many as may be, or the system has no room.
  Stack try_take() noexcept;
  void give_back(Stack stack) noexcept;

  // How many are in use.
  std::size_t in_use() const;

  // A quarter of the mappings that the system allows a process (vm.max_map_count): each stack takes two, and the rest
  // of the server needs some.
  static std::size_t most_of_system();

 private:
  static constexpr std::size_t most_kept = 256;

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::size_t in_use_ = 0;
  std::vector<Stack> kept_;  // not in use
};

}  // namespace ashlar::host
