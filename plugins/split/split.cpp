// The split plugin: several files or devices, one behind the other, as one disk.
#include <algorithm>
#include <ashlar/extents.hpp>
#include <ashlar/plugin.hpp>

#include "parts.hpp"

using namespace ashlar;

class Split final : public Plugin {
 public:
  using Layer = Parts;
  static constexpr const char* group = "files and devices";
  static constexpr Param params[] = {
      Param::list(Param::path("paths", "the files and block devices, in the order of their bytes")).needed(),
      Param::boolean("read_only", "open them for reading alone").or_else("false"),
  };

  Split(Parts& parts, const Open& open) : use_(parts, open.read_only) {}

  Geometry describe() override { return use_.geometry(); }

  Status read(Io& io) noexcept override { return in_parts(io); }
  Status write(Io& io) noexcept override { return in_parts(io); }
  Status trim(Io& io) noexcept override { return in_parts(io); }
  Status zero(Io& io) noexcept override { return in_parts(io); }
  Status cache(Io& io) noexcept override { return in_parts(io); }
  Status flush(Io& io) noexcept override;
  Status extents(Io& io) noexcept override;

 private:
  // The part that holds the byte at `offset`, which lies within the disk.
  std::vector<Part>::const_iterator part_at(std::uint64_t offset) const {
    return std::ranges::upper_bound(use_.all(), offset, {}, &Part::end);
  }
  Status in_parts(Io& io) noexcept;
  Status each_part(const Io& io) noexcept;
  static Status within(const Part& part, Io& io) noexcept;
  static Status call(const Part& part, Io& io) noexcept;

  const Parts::Use use_;
};

Status Split::in_parts(Io& io) noexcept {
  const Part& first = *part_at(io.offset());
  if (io.end() <= first.end) return within(first, io);
  if (io.has(Flag::nowait)) return Status::would_block();  // the second part could block when the first is done
  if (io.has(Flag::fast)) return Status::not_supported();  // likewise, refuse
  return each_part(io);
}

// Each part keeps FUA for what it is given. A failure ends it, as that of a write which is done in part.
Status Split::each_part(const Io& io) noexcept {
  for (std::uint64_t at = io.offset(); at != io.end();) {
    const Part& part = *part_at(at);
    const std::uint64_t length = std::min(io.end(), part.end) - at;
    Io piece(io, io.op(), at, length, io.flags() & (Flag::fua | Flag::may_trim));
    if (io.ashlar_io::data != nullptr)
      piece.ashlar_io::data = static_cast<std::byte*>(io.ashlar_io::data) + (at - io.offset());
    if (const Status s = within(part, piece); s.failed()) return s;
    at += length;
  }
  return Status::success();
}

// All parts are flushed, also behind one that fails: what can be saved is.
Status Split::flush(Io& io) noexcept {
  if (io.has(Flag::nowait) && use_.all().size() != 1) return Status::would_block();
  Status all;
  for (const Part& part : use_.all())
    if (const Status s = part.backend->flush(io); all.ok()) all = s;
  return all;
}

Status Split::extents(Io& io) noexcept {
  for (std::uint64_t at = io.offset(); at != io.end();) {
    const Part& part = *part_at(at);
    const std::uint64_t length = std::min(io.end(), part.end) - at;
    std::uint64_t told = 0;
    bool more = true;
    ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
      told += bytes;
      return more = io.add_extent(bytes, state);
    });
    Io piece(io, Op::extents, at, length, io.flags());
    piece.set_sink(&sink);
    if (const Status s = within(part, piece); s.failed()) return at == io.offset() && told == 0 ? s : Status::success();
    at += length;
    if (!more || told < length || io.has(Flag::req_one)) break;
  }
  return Status::success();
}

// A request that lies within `part`.
Status Split::within(const Part& part, Io& io) noexcept {
  const std::uint64_t offset = io.offset();
  const Status s = cut_extents(io, part.end - offset, [&](Io& one) {
    one.set_offset(offset - part.begin);
    return call(part, one);
  });
  io.set_offset(offset);
  return s;
}

Status Split::call(const Part& part, Io& io) noexcept {
  switch (io.op()) {
    case Op::read: return part.backend->read(io);
    case Op::write: return part.backend->write(io);
    case Op::flush: return part.backend->flush(io);
    case Op::trim: return part.backend->trim(io);
    case Op::zero: return part.backend->zero(io);
    case Op::cache: return part.backend->cache(io);
    case Op::extents: return part.backend->extents(io);
  }
  return Status::not_supported();
}

ASHLAR_MODULE(Split, .name = "split", .version = "1.0", .summary = "several files or devices as one disk",
              .threads = Threads::parallel)
