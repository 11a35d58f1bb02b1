// Method: the ways in which Linux zeroes or lets go of a range. Feature: what else a kernel or a file system may lack.
// The names are those that the log prints.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ashlar::fileops {

enum class Kind : std::uint8_t { file, block };

constexpr const char* name(Kind kind) { return kind == Kind::file ? "file" : "block device"; }

enum class Method : std::uint8_t {
  punch_hole,          // fallocate(PUNCH_HOLE | KEEP_SIZE): deallocates, reads as zeroes
  zero_range,          // fallocate(ZERO_RANGE): reads as zeroes, stays or becomes provisioned
  write_zeroes,        // fallocate(WRITE_ZEROES), Linux 6.17: likewise, and later writes need no new metadata
  punch_and_allocate,  // fallocate(PUNCH_HOLE | KEEP_SIZE), then fallocate(0): zero_range for file systems without it
  blkzeroout,          // ioctl(BLKZEROOUT): block devices, before Linux 4.9 the only way
  blkdiscard,          // ioctl(BLKDISCARD): block devices; what is read afterwards is undefined, so never for zero
};
inline constexpr std::size_t method_count = 6;

constexpr const char* name(Method method) {
  constexpr const char* names[method_count] = {"punch_hole",         "zero_range", "write_zeroes",
                                               "punch_and_allocate", "blkzeroout", "blkdiscard"};
  return names[static_cast<std::size_t>(method)];
}

// A set of methods.
class Methods {
 public:
  constexpr Methods() = default;
  constexpr explicit Methods(std::uint32_t bits) : bits_(bits) {}
  constexpr Methods(Method method) : bits_(1u << static_cast<std::uint32_t>(method)) {}  // NOLINT: a set of one
  constexpr std::uint32_t bits() const { return bits_; }
  constexpr bool has(Method method) const { return (bits_ & Methods{method}.bits_) != 0; }
  friend constexpr Methods operator|(Methods a, Methods b) { return Methods{a.bits_ | b.bits_}; }
  friend constexpr bool operator==(Methods, Methods) = default;

 private:
  std::uint32_t bits_ = 0;
};

enum class Feature : std::uint8_t {
  read_nowait,  // preadv2(RWF_NOWAIT): a read of what is in memory, or EAGAIN
  write_dsync,  // pwritev2(RWF_DSYNC): a write that makes its own range durable
  cachestat,    // cachestat(2): whether a range is in memory
  seek_data,    // lseek(SEEK_DATA): where holes end
};
inline constexpr std::size_t feature_count = 4;

constexpr const char* name(Feature feature) {
  constexpr const char* names[feature_count] = {"read_nowait", "write_dsync", "cachestat", "seek_data"};
  return names[static_cast<std::size_t>(feature)];
}

}  // namespace ashlar::fileops
