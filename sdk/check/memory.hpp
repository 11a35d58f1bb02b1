// Memory: what a request carries, so laid that it shows when a module touches what is beside it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace ashlar::check {

using Bytes = std::vector<std::byte>;

// Pages that are gone when it goes out of scope. Their addresses are used for nothing else for a while: who still uses
// them ends the process.
class Pages {
 public:
  // Throws std::bad_alloc.
  explicit Pages(std::size_t bytes);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  std::byte* begin() const { return begin_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* begin_;
  std::size_t size_;
};

// What a request lends for the time of one call.
template <class T>
class LentForACall {
 public:
  template <class... Args>
  explicit LentForACall(Args&&... args)
      : pages_(sizeof(T)), it_(*new (pages_.begin()) T(std::forward<Args>(args)...)) {}
  ~LentForACall() { it_.~T(); }

  T* get() { return &it_; }
  T& operator*() { return it_; }
  T* operator->() { return &it_; }

 private:
  Pages pages_;
  T& it_;
};

// Between pages that cannot be touched. Gone when it goes out of scope, as Pages are.
class Memory {
 public:
  // Where the bytes lie: amid others that touched() looks at, at an odd address; or right before the page behind; or
  // right behind the page before.
  enum class Place { amid, at_the_end, at_the_start };

  Memory(std::size_t n, Place place);

  std::span<std::byte> bytes() const { return {data_, size_}; }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  // From now on the bytes are only read; writing to them ends the process where they lie at the end.
  void only_read();
  // Whether a byte beside was changed.
  bool touched() const;

 private:
  std::size_t size_;
  Pages pages_;       // with the one before and the one behind
  std::byte* begin_;  // what can be touched
  std::byte* end_;
  std::byte* data_;
  Place place_;
};

}  // namespace ashlar::check
