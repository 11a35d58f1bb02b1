#include "zstd_format.hpp"

#include <zstd.h>
#include <zstd_errors.h>

#include <new>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "seek_table.hpp"
#include "walk.hpp"

namespace ashlar::zstd {

ZstdFormat::~ZstdFormat() {
  for (ZSTD_DCtx* context : spare_) ZSTD_freeDCtx(context);
}

frames::Index ZstdFormat::index(const frames::Below& below, std::uint64_t longest) const {
  frames::Index index(longest, remedy);
  if (!read_seek_table(below, index)) walk_frames(below, index);
  return index;
}

frames::Outcome ZstdFormat::unpack(const frames::Frame& frame, std::span<const std::byte> packed,
                                   std::span<std::byte> into) noexcept {
  ZSTD_DCtx* context = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      context = spare_.back();
      spare_.pop_back();
    }
  }
  if (context == nullptr) context = ZSTD_createDCtx();
  if (context == nullptr) return {"out of memory", false};
  const std::size_t n = ZSTD_decompressDCtx(context, into.data(), into.size(), packed.data(), packed.size());
  frames::Outcome outcome;
  if (ZSTD_isError(n) != 0) outcome = {ZSTD_getErrorName(n), ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall};
  else if (n != into.size()) outcome = {"it has fewer bytes than the file says", true};
  else if (frame.tag != no_checksum && static_cast<std::uint32_t>(XXH64(into.data(), n, 0)) != frame.tag)
    outcome.wrong = "its checksum in the seek table is another";
  const std::lock_guard lock(mutex_);
  try {
    spare_.push_back(context);
  } catch (const std::bad_alloc&) {
    ZSTD_freeDCtx(context);
  }
  return outcome;
}

}  // namespace ashlar::zstd
