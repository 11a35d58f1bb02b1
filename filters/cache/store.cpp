#include "store.hpp"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fileops/at_once.hpp>
#include <fileops/backend.hpp>
#include <fileops/host_syscalls.hpp>
#include <fileops/temporary.hpp>
#include <shared_mutex>
#include <string>
#include <system_error>
#include <utility>

namespace ashlar::caching {

namespace {

class Memory final : public Store {
 public:
  Memory(std::uint32_t slots, std::uint64_t block) : block_(block), bytes_(slots * block) {
    void* const memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      throw std::system_error(errno, std::generic_category(), "no memory for " + std::to_string(bytes_) + " bytes");
    memory_ = static_cast<std::byte*>(memory);
  }
  ~Memory() override { ::munmap(memory_, bytes_); }

  Status read(const Io&, std::uint32_t slot, std::uint64_t offset, std::span<std::byte> into, Flags) noexcept override {
    const std::shared_lock lock(mutexes_[slot % mutexes_.size()]);
    std::memcpy(into.data(), memory_ + slot * block_ + offset, into.size());
    return Status::success();
  }
  Status write(const Io&, std::uint32_t slot, std::uint64_t offset, std::span<const std::byte> from) noexcept override {
    const std::lock_guard lock(mutexes_[slot % mutexes_.size()]);
    std::memcpy(memory_ + slot * block_ + offset, from.data(), from.size());
    return Status::success();
  }

 private:
  const std::uint64_t block_, bytes_;
  std::byte* memory_;
  std::array<std::shared_mutex, 64> mutexes_;  // held while bytes are copied
};

class File final : public Store {
 public:
  File(fileops::Fd fd, std::string folder, std::uint64_t bytes, std::uint64_t block, Host host)
      : folder_(std::move(folder)),
        block_(block),
        host_(host),
        syscalls_(Blocking(host)),
        file_(
            [&] {
              fileops::Facts facts;
              facts.size = bytes;
              facts.holes = fileops::Holes::unknown;
              return facts;
            }(),
            std::move(fd), fileops::Fd{}, syscalls_, host) {}

  Status read(const Io& parent, std::uint32_t slot, std::uint64_t offset, std::span<std::byte> into,
              Flags flags) noexcept override {
    return fileops::at_once_or_later(flags, [&](Flags f) {
      Io io = Io::read(parent, slot * block_ + offset, into, f);
      return file_.read(io);
    });
  }
  Status write(const Io& parent, std::uint32_t slot, std::uint64_t offset,
               std::span<const std::byte> from) noexcept override {
    const Status s = fileops::at_once_or_later({}, [&](Flags f) {
      Io io = Io::write(parent, slot * block_ + offset, from, f);
      return file_.write(io);
    });
    // It costs speed alone, so that nobody is told but by the log.
    if (s.failed())
      host_.log(Level::warn, "what is to be kept in %s cannot be written: %s", folder_.c_str(),
                std::strerror(s.code()));
    return s;
  }

 private:
  const std::string folder_;
  const std::uint64_t block_;
  const Host host_;
  fileops::HostSyscalls syscalls_;
  fileops::Backend file_;
};

}  // namespace

std::unique_ptr<Store> Store::in_memory(std::uint32_t slots, std::uint64_t block) {
  return std::make_unique<Memory>(slots, block);
}

std::unique_ptr<Store> Store::in_file(const std::string& folder, std::uint32_t slots, std::uint64_t block, Host host) {
  const std::uint64_t bytes = slots * block;
  return std::make_unique<File>(fileops::temporary_file(folder, bytes), folder, bytes, block, host);
}

}  // namespace ashlar::caching
