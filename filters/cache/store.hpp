// Store: where the bytes of the blocks are, in slots of one size.
#pragma once
#include <ashlar/host.hpp>
#include <ashlar/io.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace ashlar::caching {

// [any thread, also for one slot]
class Store {
 public:
  // Of memory that is taken when it is used. Throws std::system_error.
  static std::unique_ptr<Store> in_memory(std::uint32_t slots, std::uint64_t block);
  // A file without a name in `folder`. Throws std::system_error.
  static std::unique_ptr<Store> in_file(const std::string& folder, std::uint32_t slots, std::uint64_t block, Host host);
  virtual ~Store() = default;

  // `parent`: the request that it is for. `flags`: nowait, or none. [data]
  virtual Status read(const Io& parent, std::uint32_t slot, std::uint64_t offset, std::span<std::byte> into,
                      Flags flags) noexcept = 0;
  virtual Status write(const Io& parent, std::uint32_t slot, std::uint64_t offset,
                       std::span<const std::byte> from) noexcept = 0;
};

}  // namespace ashlar::caching
