// ZstdFormat: frames of zstd, by libzstd.
#pragma once
#include <frames/format.hpp>
#include <mutex>
#include <vector>

struct ZSTD_DCtx_s;

namespace ashlar::zstd {

// How a file is made that can be served.
inline constexpr const char* remedy =
    "make a file of frames that state their size: split -b 1M -a 8 --filter='cat >$FILE; zstd -qc $FILE; rm $FILE' "
    "disk.img part. >disk.img.zst";

class ZstdFormat final : public frames::Format {
 public:
  ~ZstdFormat() override;
  frames::Index index(const frames::Below& below, std::uint64_t longest) const override;
  frames::Outcome unpack(const frames::Frame& frame, std::span<const std::byte> packed,
                         std::span<std::byte> into) noexcept override;

 private:
  std::mutex mutex_;
  std::vector<ZSTD_DCtx_s*> spare_;  // as many as were ever in use at once
};

}  // namespace ashlar::zstd
