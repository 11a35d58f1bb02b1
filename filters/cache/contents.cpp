#include "contents.hpp"

#include <bit>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <system_error>

namespace ashlar::caching {

namespace {

constexpr std::uint64_t units_of_block = 64;    // bits of a mask
constexpr std::uint64_t most_loaded = 4 << 20;  // of what one request wants, in one call below

std::uint64_t unit_for(std::uint64_t block, std::uint32_t minimum) {
  if (block < minimum)
    throw BadParameter("block_size", "block_size = " + std::to_string(block) + " is less than the " +
                                         std::to_string(minimum) + " byte blocks of the layer below");
  return std::max<std::uint64_t>({block / units_of_block, minimum, 512});
}

}  // namespace

Figures::Figures(const Metrics& metrics)
    : hits(metrics.counter("cache_hits", "reads that were answered without the layer below")),
      misses(metrics.counter("cache_misses", "reads that had to wait for the layer below")),
      ahead(metrics.counter("cache_ahead_bytes", "bytes that were read before they were asked for")),
      written_back(metrics.counter("cache_written_back_bytes", "bytes that were written below after their writes")),
      failed(metrics.counter("cache_write_back_errors", "how often bytes could not be written below")),
      dirty(metrics.gauge("cache_dirty_bytes", "bytes that the layer below does not have yet")) {}

Contents::Contents(const Settings& settings, const Figures& figures, std::uint64_t size, std::uint32_t minimum,
                   Host host)
    : settings_(settings),
      figures_(figures),
      size_(size),
      unit_(unit_for(settings.block, minimum)),
      host_(host),
      wait_(host),
      buffers_(wait_),
      loading_(wait_),
      changing_(wait_),
      writing_back_(wait_) {}

Contents::~Contents() {
  if (is_clean()) return;
  host_.log(Level::error, "%llu bytes that were written are lost: the layer below has not taken them",
            static_cast<unsigned long long>(dirty_bytes_.load()));
  figures_.dirty.add(-static_cast<double>(dirty_bytes_.load()));
}

void Contents::begin() {
  const std::lock_guard lock(begin_mutex_);
  if (has_begun()) return;
  const auto slots = static_cast<Slot>(settings_.bytes / settings_.block);
  const bool in_file = !settings_.folder.empty();
  try {
    if (in_file) store_ = Store::in_file(settings_.folder, slots, settings_.block, host_);
    else store_ = Store::in_memory(slots, settings_.block);
    blocks_ = std::make_unique<Blocks>(slots);
  } catch (const std::system_error& e) {
    throw BadParameter(in_file ? "store" : "size", e.what(), e.code().value());
  }
  begun_.store(true, std::memory_order_release);
}

// ---- Units ----

Contents::Mask Contents::units_of(Range r) const {
  const std::uint64_t begin = r.begin / settings_.block * settings_.block;
  const std::uint64_t first = (r.begin - begin) / unit_, last = (r.end - 1 - begin) / unit_;
  return (~Mask{0} >> (63 - last)) & (~Mask{0} << first);
}

Contents::Mask Contents::whole_units_of(Range r) const {
  const Range inner{(r.begin + unit_ - 1) / unit_ * unit_, r.end == size_ ? size_ : r.end / unit_ * unit_};
  return inner.empty() ? 0 : units_of(inner);
}

Range Contents::first_run(Mask mask, std::uint64_t begin) const {
  const auto first = static_cast<std::uint64_t>(std::countr_zero(mask));
  const auto length = static_cast<std::uint64_t>(std::countr_one(mask >> first));
  return {begin + first * unit_, std::min(begin + (first + length) * unit_, size_)};
}

// ---- Reads ----

Status Contents::read(Io& io, const Below& below) noexcept {
  streams_.note({io.offset(), io.end()});
  bool missed = false;
  for (std::uint64_t at = io.offset(); at != io.end();) {
    const auto rest = io.buffer().subspan(at - io.offset());
    const auto part = rest.first(std::min(block_end(at) - at, rest.size()));
    const Status s = read_here(io, at, part, io.flags() & Flag::nowait);
    if (s.ok()) {
      at += part.size();
      continue;
    }
    if (s != Status::would_block() || io.has(Flag::nowait)) return s;
    missed = true;
    const Range need = missing({at, std::min(io.end(), at + most_loaded)});
    if (const Status loaded = load(io, below, need, rest.first(need.length())); loaded.failed()) return loaded;
    at = need.end;
    if (at != io.end() && wait_.cancelled()) return Status{ECANCELED};
  }
  (missed ? figures_.misses : figures_.hits).add();
  return Status::success();
}

// Within a block. "Would block": not all of it is here.
Status Contents::read_here(const Io& io, std::uint64_t at, std::span<std::byte> into, Flags flags) noexcept {
  const Range part{at, at + into.size()};
  const Mask units = units_of(part);
  Pin pin;
  {
    const std::lock_guard lock(mutex_);
    const Slot slot = blocks_->find(at / settings_.block);
    if (slot == Blocks::none || ((*blocks_)[slot].valid & units) != units) return Status::would_block();
    blocks_->asked(slot, static_cast<std::uint32_t>(at % settings_.block),
                   static_cast<std::uint32_t>(at % settings_.block + into.size()));
    pin = Pin(*this, slot);
  }
  const Status s = store_->read(io, pin.slot(), at % settings_.block, into, flags);
  if (s.ok() || s == Status::would_block()) return s;
  const std::lock_guard lock(mutex_);
  auto& block = (*blocks_)[pin.slot()];
  if ((block.dirty & units) != 0) return s;
  block.valid &= ~units;  // the layer below has it
  return Status::would_block();
}

bool Contents::is_here(Range part) noexcept {
  const Mask units = units_of(part);
  const std::lock_guard lock(mutex_);
  const Slot slot = blocks_->find(part.begin / settings_.block);
  return slot != Blocks::none && ((*blocks_)[slot].valid & units) == units;
}

// `need`, whose first block is not here, up to the first that is.
Range Contents::missing(Range need) noexcept {
  std::uint64_t end = std::min(block_end(need.begin), need.end);
  while (end != need.end && !is_here({end, std::min(block_end(end), need.end)}))
    end = std::min(block_end(end), need.end);
  return {need.begin, end};
}

// What is worth loading when `need` has to be: whole blocks, what is read together, what will be asked for next.
Range Contents::plan(Range need) noexcept {
  const Range least = blocks_around(need);
  Range window = settings_.warm.around(need.begin);
  const std::uint64_t most_warm = std::min(WarmList::longest, settings_.bytes / 4);
  if (window.length() > most_warm) window = intersection(window, {need.begin, need.begin + most_warm});
  if (window.empty()) window = streams_.with_ahead(need, settings_.most_ahead);
  window = intersection({window.begin, window.end}, {0, size_});
  window = blocks_around({std::min(window.begin, need.begin), std::max(window.end, need.end)});
  // Where there is much on its way, nothing is read ahead.
  return buffers_.used() + window.length() > Buffers::most ? least : window;
}

// The blocks around `need`, on both sides up to the end of `window` or one that is here.
Range Contents::narrowed(Range window, Range need) noexcept {
  Range found = blocks_around(need);
  while (found.end < window.end && !is_here({found.end, block_end(found.end)})) found.end = block_end(found.end);
  while (found.begin > window.begin && !is_here({found.begin - settings_.block, found.begin}))
    found.begin -= settings_.block;
  return found;
}

// Loads `need`. Its bytes go to `into`, too; if that is empty, nothing more than its blocks is loaded.
Status Contents::load(const Io& io, const Below& below, Range need, std::span<std::byte> into) noexcept {
  const Range window = into.empty() ? blocks_around(need) : plan(need);
  const RangeLock::Hold loading(loading_, window.begin, window.end, RangeLock::Mode::exclusive);
  if (!loading.held()) return Status{ENOMEM};
  // Somebody else may have loaded it meanwhile.
  std::uint64_t at = need.begin;
  while (at != need.end) {
    const Range part{at, std::min(block_end(at), need.end)};
    if (into.empty() ? !is_here(part) : read_here(io, at, into.subspan(at - need.begin, part.length()), {}).failed())
      break;
    at = part.end;
  }
  if (at == need.end) return Status::success();
  const Range left{at, need.end};
  const auto rest = into.empty() ? into : into.subspan(at - need.begin);
  return fetch(io, below, left, narrowed(window, left), rest);
}

// An error of what was not asked for is nobody's. What is dirty when the layer below is read stays here until settle():
// who writes it back meanwhile makes it clean, and what was read is older.
Status Contents::fetch(const Io& io, const Below& below, Range need, Range window, std::span<std::byte> into) noexcept {
  const RangeLock::Hold keep(changing_, window.begin, window.end, RangeLock::Mode::shared);
  if (!keep.held()) return Status{ENOMEM};
  std::vector<Pin> stay;
  try {
    stay = pin_dirty(window);
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
  const bool direct = window == need && !into.empty();
  std::optional<Buffers::Lease> lease;
  if (!direct && lease.emplace(buffers_, below.user, window.length()).failed()) return Status{ENOMEM};
  std::span<std::byte> bytes = direct ? into : lease->bytes();
  const std::uint64_t drops_before = drops();
  if (const Status s = read_window(io, below, need, window, bytes); s.failed()) return s;
  for (std::uint64_t at = window.begin; at != window.end;) {
    const Range part{at, std::min(block_end(at), window.end)};
    const auto of_part = bytes.subspan(at - window.begin, part.length());
    Status s = settle(io, part, of_part, need, drops_before);
    while (s == Status::would_block()) {
      const std::uint64_t drops_now = drops();
      if (const Status again = below.read(io, part.begin, of_part); again.failed()) return again;
      s = settle(io, part, of_part, need, drops_now);
    }
    if (s.failed()) return s;
    at = part.end;
  }
  if (!direct && !into.empty()) std::memcpy(into.data(), bytes.data() + (need.begin - window.begin), need.length());
  if (window.length() > blocks_around(need).length())
    figures_.ahead.add(static_cast<double>(window.length() - blocks_around(need).length()));
  return Status::success();
}

// Of a window that cannot be read only the blocks around `need` are, and of these only the units.
Status Contents::read_window(const Io& io, const Below& below, Range need, Range& window,
                             std::span<std::byte> bytes) noexcept {
  Status s = below.read(io, window.begin, bytes);
  for (const Range least : {blocks_around(need), units_around(need)}) {
    if (s.ok() || s == Status{ECANCELED} || wait_.cancelled()) break;
    if (window == least) continue;
    window = least;
    s = below.read(io, window.begin, bytes.first(window.length()));
  }
  return s;
}

std::uint64_t Contents::drops() noexcept {
  const std::lock_guard lock(mutex_);
  return drops_;
}

std::vector<Contents::Pin> Contents::pin_dirty(Range window) {
  std::vector<Pin> pins;
  if (is_clean()) return pins;
  pins.reserve((window.length() + settings_.block - 1) / settings_.block);
  const std::lock_guard lock(mutex_);
  for (std::uint64_t at = window.begin; at < window.end; at = block_end(at)) {
    const Slot slot = blocks_->find(at / settings_.block);
    if (slot != Blocks::none && (*blocks_)[slot].dirty != 0) pins.push_back(Pin(*this, slot));
  }
  return pins;
}

// `bytes` are what the layer below has of `part`, which lies within a block: those that are not here are kept, and the
// others become those that are. That there is no room for them is no error. "Would block": they have to be read below
// again, as since `drops` something was dropped, or the store cannot give back what the layer below has by now.
Status Contents::settle(const Io& io, Range part, std::span<std::byte> bytes, Range need,
                        std::uint64_t drops) noexcept {
  const std::uint64_t begin = part.begin / settings_.block * settings_.block;
  const Mask all = units_of(part);
  Pin pin;
  Mask here = 0, dirty = 0;
  {
    const std::lock_guard lock(mutex_);
    if (drops != drops_) return Status::would_block();
    Slot slot = blocks_->find(begin / settings_.block);
    if (slot == Blocks::none) slot = blocks_->insert(begin / settings_.block);
    if (slot == Blocks::none) return Status::success();
    if (const Range read = intersection(need, part); !read.empty())
      blocks_->brought_for(slot, static_cast<std::uint32_t>(read.end - begin));
    here = (*blocks_)[slot].valid & all;
    dirty = (*blocks_)[slot].dirty & here;
    pin = Pin(*this, slot);
  }
  const auto of = [&](Range run) { return bytes.subspan(run.begin - part.begin, run.length()); };
  for (const Mask some : {dirty, here & ~dirty})
    for (Mask left = some; left != 0;) {
      const Range run = first_run(left, begin);
      if (const Status s = take_kept(io, pin, run, of(run), need); s.failed()) return s;
      left &= ~units_of(run);
    }
  Mask kept = 0;
  for (Mask left = all & ~here; left != 0;) {
    const Range run = first_run(left, begin);
    if (store_->write(io, pin.slot(), run.begin - begin, of(run)).ok()) kept |= units_of(run);
    left &= ~units_of(run);
  }
  const std::lock_guard lock(mutex_);
  if (drops == drops_) (*blocks_)[pin.slot()].valid |= kept;
  return Status::success();
}

// What is here of `run`, as for settle(). What the store cannot give back is gone only if it is dirty, and an error
// only of who needs it.
Status Contents::take_kept(const Io& io, const Pin& pin, Range run, std::span<std::byte> into, Range need) noexcept {
  const Status s = store_->read(io, pin.slot(), run.begin % settings_.block, into, {});
  if (s.ok()) return s;
  const std::lock_guard lock(mutex_);
  auto& block = (*blocks_)[pin.slot()];
  if ((block.dirty & units_of(run)) != 0)
    return intersection(run, need).empty() ? Status::success() : Status::io_error();
  block.valid &= ~units_of(run);
  return Status::would_block();
}

// Loads of `range` what is not here, up to `most` bytes, and adds them to `loaded`.
Status Contents::load_all(const Io& io, const Below& below, Range range, std::uint64_t most,
                          std::uint64_t& loaded) noexcept {
  for (std::uint64_t at = range.begin; at < range.end && most != 0;) {
    const std::uint64_t end = std::min(block_end(at), range.end);
    if (is_here({at, end})) {
      at = end;
      continue;
    }
    if (wait_.cancelled()) return Status{ECANCELED};
    const Range need = missing({at, std::min({range.end, at + most_loaded, at + most})});
    if (const Status s = load(io, below, need, {}); s.failed()) return s;
    loaded += need.length();
    most -= need.length();
    at = need.end;
  }
  return Status::success();
}

Status Contents::cache(Io& io, const Below& below) noexcept {
  if (io.has(Flag::nowait)) return Status::would_block();
  std::uint64_t loaded = 0;
  return load_all(io, below, {io.offset(), io.end()}, most_at_once(), loaded);
}

// ---- Verbs ----

std::string Contents::status() const {
  const std::lock_guard lock(mutex_);
  // A slot may have nothing, where the store could not take it.
  std::uint64_t used = 0;
  for (Slot slot = 0; has_begun() && slot != blocks_->slots(); ++slot)
    if ((*blocks_)[slot].valid != 0) used += settings_.block;
  return "size " + std::to_string(settings_.bytes) + "\nblock_size " + std::to_string(settings_.block) + "\nused " +
         std::to_string(used) + "\ndirty " + std::to_string(dirty_bytes_.load()) + "\n";
}

std::string Contents::drop() {
  std::uint64_t dropped = 0;
  const std::lock_guard lock(mutex_);
  ++drops_;
  for (Slot slot = 0; has_begun() && slot != blocks_->slots(); ++slot) {
    auto& block = (*blocks_)[slot];
    if (blocks_->find(block.number) != slot) continue;
    block.valid &= block.dirty;
    if (block.dirty != 0 || block.pins != 0) continue;
    blocks_->erase(slot);
    dropped += settings_.block;
  }
  return std::to_string(dropped) + " bytes dropped\n";
}

std::string Contents::warm(const Below& below) {
  if (!settings_.has_warm) throw std::runtime_error("there is no list: the parameter warm names it");
  if (settings_.warm.ranges().empty()) throw std::runtime_error("the list that the parameter warm names has no range");
  begin();
  std::uint64_t loaded = 0;
  for (const Range& range : settings_.warm.ranges()) {
    const Range inside = intersection(range, {0, size_});
    if (inside.empty()) continue;
    const Status s = load_all(Io(Op::read, 0, 0), below, blocks_around(inside), most_at_once() - loaded, loaded);
    if (s.failed()) throw std::system_error(s.code(), std::generic_category(), "it cannot be read below");
  }
  return std::to_string(loaded) + " bytes loaded\n";
}

}  // namespace ashlar::caching
