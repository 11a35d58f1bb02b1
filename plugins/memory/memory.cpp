// The memory plugin: a disk in memory, gone with the server. A memfd under fileops, so sparse and with holes known.
#include <sys/mman.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <string>

#include "fileops/device.hpp"
#include "fileops/open.hpp"

namespace {

using ashlar::Create;
using ashlar::Open;
using ashlar::Param;
namespace fileops = ashlar::fileops;

// One layer's disk: made by its first connection, kept for all later ones.
class Disk {
 public:
  explicit Disk(const Create& create) : size_(create.params.size("size")), host_(create.host) {}

  fileops::Backend& backend() {
    const std::lock_guard lock(mutex_);
    if (backend_ == nullptr) backend_ = make();
    return *backend_;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::system_error(errno, std::generic_category(),
                            "cannot make a disk of " + std::to_string(size_) + " bytes in memory");
  }
  std::unique_ptr<fileops::Backend> make() {
    fileops::Fd fd{::memfd_create("ashlar-memory", MFD_CLOEXEC)};
    if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(size_)) != 0) fail();
    fileops::Facts facts;
    facts.size = size_;
    return std::make_unique<fileops::Backend>(facts, std::move(fd), fileops::Fd{}, syscalls_, host_);
  }

  const std::uint64_t size_;
  const ashlar::Host host_;
  fileops::Syscalls syscalls_;
  std::mutex mutex_;
  std::unique_ptr<fileops::Backend> backend_;
};

class Memory final : public fileops::BackendDevice {
 public:
  using Layer = Disk;
  static constexpr const char* group = "trying and testing";
  static constexpr Param params[] = {
      Param::size("size", "of the disk, in bytes; memory is used for what is written only").needed(),
  };
  Memory(Disk& disk, const Open&) : BackendDevice(disk.backend()) {}
};

}  // namespace

ASHLAR_MODULE(Memory, .name = "memory", .version = "1.0", .summary = "a sparse disk in memory, gone with the server",
              .threads = ashlar::Threads::parallel)
