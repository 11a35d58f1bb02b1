#include "facts.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <system_error>

#include "file_system.hpp"

namespace ashlar::fileops {
namespace {

std::optional<std::uint64_t> read_number(const std::string& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  if (in.peek() == '-' || !(in >> value)) return std::nullopt;
  return value;
}

std::uint32_t power_of_two(std::uint64_t value, std::uint32_t least, std::uint32_t most) {
  return std::bit_ceil(static_cast<std::uint32_t>(std::clamp<std::uint64_t>(value, least, most)));
}

void find_device_facts(int fd, dev_t device, Facts& facts) {
  if (::ioctl(fd, BLKGETSIZE64, &facts.size) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot read the size of the device");
  int sector = 0;
  facts.sector = 4096;
  if (::ioctl(fd, BLKSSZGET, &sector) == 0 && sector >= 512 && std::has_single_bit(static_cast<unsigned>(sector)))
    facts.sector = static_cast<std::uint32_t>(sector);
  unsigned physical = 0;
  if (::ioctl(fd, BLKPBSZGET, &physical) != 0) physical = facts.sector;
  facts.preferred = power_of_two(std::max(physical, facts.sector), 4096, block_max);

  unsigned short rotational = 0;
  facts.rotational = ::ioctl(fd, BLKROTATIONAL, &rotational) == 0 && rotational != 0;

  const std::string sysfs = sysfs_folder(device);
  const std::uint64_t unit = device_number(sysfs, "queue/discard_granularity").value_or(0);
  facts.discard_block = facts.sector;
  if (unit > facts.sector && unit <= UINT32_MAX && unit % facts.sector == 0)
    facts.discard_block = static_cast<std::uint32_t>(unit);
  const std::uint64_t phase = read_number(sysfs + "/discard_alignment").value_or(0) % facts.discard_block;
  if (phase % facts.sector == 0) facts.discard_phase = static_cast<std::uint32_t>(phase);
  facts.dense = true;
  facts.holes = Holes::unknown;  // the kernel tells nothing of a device
  facts.witness = true;
}

struct DirectBlocks {
  std::uint32_t offset = 0, memory = 0;  // 0: not possible
};

// statx(2) with STATX_DIOALIGN, Linux 6.1; not all file systems answer.
std::optional<DirectBlocks> ask_direct_blocks([[maybe_unused]] int fd) {
#ifdef STATX_DIOALIGN
  struct statx s = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &s) == 0 && (s.stx_mask & STATX_DIOALIGN) != 0)
    return DirectBlocks{s.stx_dio_offset_align, s.stx_dio_mem_align};
#endif
  return std::nullopt;
}

// By reading: what is too small is refused with EINVAL.
DirectBlocks try_direct_blocks(int fd, std::uint32_t from) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  for (std::uint32_t block = from; block <= block_max; block *= 2) {
    const std::unique_ptr<void, Free> memory{std::aligned_alloc(block, block)};
    if (memory == nullptr) throw std::bad_alloc();
    const auto n = retry([&] {
      const auto result = ::pread(fd, memory.get(), block, 0);
      return result < 0 ? -errno : result;
    });
    if (n != -EINVAL) return {block, block};
  }
  return {};
}

}  // namespace

std::string sysfs_folder(dev_t device) {
  return "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

std::optional<std::uint64_t> device_number(const std::string& folder, const std::string& file) {
  if (const auto own = read_number(folder + "/" + file)) return own;
  return read_number(folder + "/../" + file);
}

Facts find_facts(Kind kind, int fd, const struct stat& status) {
  Facts facts;
  facts.kind = kind;
  if (kind == Kind::block) {
    find_device_facts(fd, status.st_rdev, facts);
    return facts;
  }
  facts.size = static_cast<std::uint64_t>(status.st_size);
  facts.preferred = power_of_two(static_cast<std::uint64_t>(status.st_blksize), 4096, block_max);
  facts.dense = static_cast<std::uint64_t>(status.st_blocks) * 512 >= facts.size;
  const FileSystem on = file_system_of_file(fd);
  facts.holes = on.tells_data_at_once ? Holes::trusted : Holes::told;
  facts.witness = on.tells_each_of_lost_data;
  return facts;
}

std::string find_direct_facts(int fd, Facts& facts) {
  const std::uint32_t least = facts.kind == Kind::block ? facts.sector : 512;
  const auto told = ask_direct_blocks(fd);
  const DirectBlocks used = told ? *told : try_direct_blocks(fd, least);
  if (used.offset == 0) return "direct = true is not possible there";
  if (used.offset > block_max || used.memory > BounceBuffers::alignment || !std::has_single_bit(used.offset))
    return "direct = true needs blocks of " + std::to_string(std::max(used.offset, used.memory)) +
           " bytes there, which is more than can be served";
  facts.direct = true;
  facts.direct_block = std::max(used.offset, facts.kind == Kind::block ? facts.sector : 1u);
  facts.memory_block = std::max(used.memory, 1u);
  facts.preferred = std::max(facts.preferred, facts.direct_block);
  facts.direct_end = direct_end(facts.size, facts.direct_block);
  return "";
}

}  // namespace ashlar::fileops
