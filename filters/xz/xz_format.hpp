// XzFormat: blocks of xz, by liblzma.
#pragma once
#include <frames/format.hpp>

namespace ashlar::xz {

// How a file is made that can be served.
inline constexpr const char* remedy = "make a file of more blocks: xz --keep --block-size=1MiB disk.img";

class XzFormat final : public frames::Format {
 public:
  frames::Index index(const frames::Below& below, std::uint64_t longest) const override;
  frames::Outcome unpack(const frames::Frame& frame, std::span<const std::byte> packed,
                         std::span<std::byte> into) noexcept override;
};

}  // namespace ashlar::xz
