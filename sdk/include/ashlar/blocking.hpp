// Blocking: how a layer makes system calls that block, and does other work that does, without keeping the thread of
// other requests. Over each call of it, as over next(), a layer holds no mutex and no pointer to thread-local data.
#pragma once
#include <ashlar/host.hpp>
#include <ashlar/rules/transfer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace ashlar {

// Cheap to copy; valid as long as the layer. [within a call of the host into the layer]
class Blocking {
 public:
  explicit Blocking(const Host& host)
      : services_(static_cast<const ashlar_blocking*>(host.extension(ASHLAR_BLOCKING_ID))) {}

  // False: the host does not offer it. All that follows blocks the thread then, so that who calls it does not park.
  bool offered() const { return services_ != nullptr; }

  // preadv2(2) and pwritev2(2) with one buffer; `flags`: RWF_*. Return how many bytes, or a negative errno number; as
  // these they may end early or be interrupted.
  std::int64_t read(int fd, std::span<std::byte> into, std::uint64_t offset, int flags = 0) const noexcept {
    if (services_ != nullptr)
      return services_->read(services_->self, fd, into.data(), into.size(), offset, static_cast<std::uint32_t>(flags));
    return rules::read_blocking(fd, into.data(), into.size(), offset, flags);
  }
  std::int64_t write(int fd, std::span<const std::byte> from, std::uint64_t offset, int flags = 0) const noexcept {
    if (services_ != nullptr)
      return services_->write(services_->self, fd, from.data(), from.size(), offset, static_cast<std::uint32_t>(flags));
    return rules::write_blocking(fd, from.data(), from.size(), offset, flags);
  }
  // Calls `work()` once, on this thread or another, and returns behind it. `work` throws nothing; it may block and hold
  // mutexes, and neither asks the layer below nor waits by Wait.
  template <class Work>
  void run(Work&& work) const noexcept {
    if (services_ == nullptr) return static_cast<void>(work());
    using Called = std::remove_reference_t<Work>;
    const auto call = [](void* argument) noexcept { (*static_cast<Called*>(argument))(); };
    services_->run(services_->self, call, const_cast<void*>(static_cast<const void*>(std::addressof(work))));
  }

 private:
  const ashlar_blocking* services_;
};

}  // namespace ashlar
