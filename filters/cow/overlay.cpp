#include "overlay.hpp"

#include <algorithm>
#include <ashlar/extents.hpp>
#include <ashlar/params.hpp>
#include <cstring>
#include <stdexcept>
#include <system_error>

using namespace ashlar;

namespace {

constexpr std::uint64_t largest_map = std::uint64_t{16} << 30;

std::uint64_t blocks_in(std::uint64_t size, std::uint64_t block) {
  const std::uint64_t blocks = size / block + (size % block != 0);
  if (blocks / 4 > largest_map)
    throw BadParameter("block_size", "a disk of " + std::to_string(size) + " bytes needs larger blocks");
  return blocks;
}

// A kept one has whole blocks, and so have one that keeps what was read, and one for which a bit for each part would be
// too many.
std::uint64_t part_for(const Settings& settings, std::uint64_t size, std::uint64_t minimum) {
  constexpr std::uint64_t usual = 4096;
  if (!settings.path.empty() || settings.on_read || size / usual / 8 > largest_map) return settings.block;
  return std::min(settings.block, std::max(minimum, usual));
}

// An overlay at `path` that was made over something else.
void must_fit(const std::string& path, const Header& found, const Header& ours) {
  const auto refuse = [&](const std::string& why) { throw BadParameter("path", path + why); };
  if (found.size != ours.size)
    refuse(" was made over a base of " + std::to_string(found.size) + " bytes; this one has " +
           std::to_string(ours.size));
  if (found.block != ours.block)
    throw BadParameter("block_size", path + " was made with block_size = " + std::to_string(found.block));
  // A commit that was broken off has changed the base.
  const bool known = found.state != Header::State::committing && found.fingerprint != 0;
  if (known && found.fingerprint != ours.fingerprint) refuse(" was made over a base with other contents");
}

}  // namespace

Figures::Figures(const Metrics& metrics)
    : allocated(metrics.gauge("cow_allocated_bytes", "room that overlays take, in whole blocks")),
      full(metrics.counter("cow_full", "requests that found no room in an overlay, as it has reached max_size")) {}

Overlay::Overlay(const Settings& settings, const Figures& figures, fileops::ByteLimit& on_their_way, std::uint64_t size,
                 std::uint64_t minimum, std::uint64_t fingerprint, Host host)
    : settings_(settings),
      figures_(figures),
      on_their_way_(on_their_way),
      size_(size),
      fingerprint_(fingerprint),
      part_(part_for(settings, size, minimum)),
      host_(host),
      wait_(host),
      map_(blocks_in(size, settings.block)),
      beginning_(wait_),
      gate_(wait_),
      changing_(wait_),
      persisting_(wait_) {
  if (part_ != settings.block) parts_.emplace(size / part_ + (size % part_ != 0));
  if (!settings.path.empty()) dirty_ = std::make_unique<Dirty>(map_.pages());
}

Overlay::~Overlay() {
  figures_.allocated.add(-static_cast<double>(used_ * settings_.block));
  if (store_ == nullptr || !store_->is_kept()) return;
  if (!used_by_some_ && !has_taken_tail_) {
    if (map_.is_clear()) store_->remove_if_made(settings_.path);
    return;
  }
  // What was written is told to be there, also if nobody has flushed it.
  const Status s = is_persisted() ? Status::success() : persist();
  if (s.ok()) {
    static_cast<void>(store_->tail().cut());
    return;
  }
  host_.log(Level::error, "what was not flushed %s: %s cannot be written (%s)",
            store_->tail().counts() ? "lasts until the machine goes down" : "is lost", settings_.path.c_str(),
            std::generic_category().message(s.code()).c_str());
}

void Overlay::check_kept() const {
  const Header ours{static_cast<std::uint32_t>(settings_.block), {}, size_, fingerprint_};
  Header found;
  try {
    if (!Store::look(settings_.path, found)) return;
    must_fit(settings_.path, found, ours);
    Store::must_be_whole(settings_.path, ours, map_.bytes());
  } catch (const BadParameter&) {
    throw;
  } catch (const std::exception& e) {
    throw BadParameter("path", e.what());
  }
}

template <class Open>
void Overlay::begin_with(Open open) {
  const Alone alone(beginning_);
  if (has_begun()) return;
  const bool kept = !settings_.path.empty();
  try {
    open(Header{static_cast<std::uint32_t>(settings_.block), {}, size_, fingerprint_});
  } catch (const BadParameter&) {
    store_.reset();
    throw;
  } catch (const std::system_error& e) {
    store_.reset();
    throw BadParameter(kept ? "path" : "store", e.what(), e.code().value());
  } catch (const std::exception& e) {
    store_.reset();
    throw BadParameter(kept ? "path" : "store", e.what());
  }
  begun_.store(true, std::memory_order_release);
}

void Overlay::begin() {
  begin_with([this](const Header& ours) {
    const bool kept = !settings_.path.empty();
    store_ = kept ? Store::kept(settings_.path, ours, map_.bytes(), host_)
                  : Store::temporary(settings_.folder, size_, host_);
    if (kept) must_fit(settings_.path, store_->header(), ours);
    if (kept) load();
  });
}

void Overlay::begin_to_look() {
  begin_with([this](const Header& ours) {
    store_ = Store::to_look_at(settings_.path, ours, map_.bytes(), host_);
    must_fit(settings_.path, store_->header(), ours);
    if (store_->header().state != Header::State::discarding) {
      read_map();
      static_cast<void>(read_tail());
    }
  });
}

// What an attempt before has found may be of before another server had the file.
void Overlay::read_map() {
  map_.clear();
  std::vector<std::byte> page(Map::page_bytes);
  for (std::uint64_t i = 0; i != map_.pages(); ++i) {
    if (const Status s = store_->read_page(i, page); s.failed())
      throw std::system_error(s.code(), std::generic_category(), "cannot read the map of " + settings_.path);
    // Memory is used for what is not zero.
    if (std::ranges::any_of(page, [](std::byte b) { return b != std::byte{0}; })) map_.load(i, page);
  }
}

// Returns whether there were pages that the server before has not written to the map in the file.
bool Overlay::read_tail() {
  const auto [numbers, contents] = store_->tail().read();
  for (std::size_t n = 0; n != numbers.size(); ++n) {
    if (numbers[n] >= map_.pages()) continue;
    map_.load(numbers[n], std::span(contents).subspan(n * Map::page_bytes, Map::page_bytes));
    dirty_->mark(numbers[n]);
  }
  return !numbers.empty();
}

// It counts until a flush has written its pages. A discard that was broken off is of what was there before
// it, also in a tail. What does not count is cut off, so that it never comes to count.
void Overlay::take_tail() {
  Tail& tail = store_->tail();
  if (store_->header().state != Header::State::discarding && read_tail()) {
    has_taken_tail_ = true;
    host_.log(Level::info, "%s: found what was not flushed when its server ended", settings_.path.c_str());
  } else if (const int error = tail.cut(); error != 0) {
    throw std::system_error(error, std::generic_category(),
                            "cannot cut off what is behind the end of " + settings_.path);
  }
}

void Overlay::load() {
  read_map();
  take_tail();
  release(used_);  // of an attempt before
  const std::uint64_t room = map_.count_room();
  used_ = room;
  figures_.allocated.add(static_cast<double>(room * settings_.block));
  if (store_->header().state == Header::State::discarding) {
    forget_all(store_->header());
  } else if (store_->header().state == Header::State::committing) {
    host_.log(Level::warn, "a commit of %s was broken off; the base holds a part of it: commit again",
              settings_.path.c_str());
  }
  Header kept = header();
  if (kept.fingerprint != 0 || kept.state != Header::State::normal) return;
  kept.fingerprint = fingerprint_;
  set_header(kept);
}

Header Overlay::header() {
  const Persisting persisting(*this);
  return store_->header();
}

void Overlay::set_header(const Header& header) {
  const Persisting persisting(*this);
  store_->set_header(header);
}

bool Overlay::is_persisted() const noexcept {
  return store_->has_header() && store_->header().state != Header::State::discarding && !dirty_->any();
}

// When the server stops, overlays are flushed one after the other, behind what may hang. So what was acknowledged to a
// client is put where the next start finds it before. It does not wait for a flush to do so: who flushes does it then.
void Overlay::leave() noexcept {
  if (!has_begun() || settings_.path.empty()) return;
  tail_is_due_ = true;
  write_tail_that_is_due();
}

// Whoever finds another at work leaves it to that one.
void Overlay::write_tail_that_is_due() noexcept {
  while (tail_is_due_) {
    const RangeLock::Hold alone(persisting_, 0, 1, RangeLock::Mode::exclusive, std::try_to_lock);
    if (!alone.held()) return;
    tail_is_due_ = false;
    write_tail();
  }
}

// What cannot be written there is lost if the server is ended before it is flushed. A discard that is under way is of
// all that a tail could tell of.
void Overlay::write_tail() noexcept {
  if (has_lost_data_ || !store_->has_header() || store_->header().state == Header::State::discarding) return;
  try {
    Tail::Pages pages;
    for (std::uint64_t i = 0; i != map_.pages(); ++i)
      if (dirty_->has(i)) pages.numbers.push_back(i);
    if (pages.numbers.empty()) return;
    pages.contents.resize(pages.numbers.size() * Map::page_bytes);
    for (std::size_t n = 0; n != pages.numbers.size(); ++n)
      map_.save(pages.numbers[n], std::span(pages.contents).subspan(n * Map::page_bytes, Map::page_bytes));
    store_->tail().write(pages);
  } catch (const std::bad_alloc&) {
    // It is as if there were no room for it.
  }
}

Overlay::Run Overlay::run_of_blocks(std::uint64_t at, std::uint64_t end) const {
  const Map::Run blocks = map_.run(block_of(at), block_of(end - 1) + 1);
  return {blocks.where, std::min(end, blocks.end * settings_.block)};
}

Overlay::Run Overlay::run_of_parts(std::uint64_t at, std::uint64_t end) const {
  const Run blocks = run_of_blocks(at, end);
  if (blocks.where != Where::overlay || !parts_) return blocks;
  const Parts::Run parts = parts_->run(at / part_, (blocks.end - 1) / part_ + 1);
  return {parts.there ? Where::overlay : Where::base, std::min(blocks.end, parts.end * part_)};
}

Overlay::Run Overlay::run(std::uint64_t at, std::uint64_t end) const {
  Run all = run_of_parts(at, end);
  while (parts_ && all.end != end) {
    const Run next = run_of_parts(all.end, end);
    if (next.where != all.where) break;
    all.end = next.end;
  }
  return all;
}

void Overlay::set(std::uint64_t block, Where where) {
  if (dirty_ == nullptr) return map_.set(block, where);
  const Dirty::Change change(*dirty_, block / Map::blocks_of_page);
  map_.set(block, where);
}

// What needs no more room has it, also where `max_size` has become less than what is there.
bool Overlay::try_to_reserve(std::uint64_t blocks) noexcept {
  if (blocks == 0) return true;
  std::uint64_t used = used_;
  do {
    if (used > most_blocks() || blocks > most_blocks() - used) return false;
  } while (!used_.compare_exchange_weak(used, used + blocks));
  figures_.allocated.add(static_cast<double>(blocks * settings_.block));
  return true;
}

bool Overlay::reserve(std::uint64_t blocks) noexcept {
  if (try_to_reserve(blocks)) return true;
  figures_.full.add();
  host_.log(Level::error, "the overlay has reached max_size = %llu: what needs more room fails (ENOSPC)",
            static_cast<unsigned long long>(settings_.max_bytes));
  return false;
}

// What is kept is not lent, as a commit moves it from there.
bool Overlay::lend(Io& io, Lent& lent) noexcept {
  if (store_->is_kept() || !lent.may_keep(store_.get())) return false;
  Io from =
      Io::lend_only(io.offset(), io.length(), io.has(Flag::nowait) ? io.flags() & Flag::may_lend_cold : Flag::none);
  if (store_->lend(from).failed() || !from.lent() || !lent.keep(store_)) return false;
  if (!has_lent_) has_lent_ = true;
  if (from.lent_cold != 0) io.lend_cold(from.lent_fd, from.lent_offset);
  else io.lend(from.lent_fd, from.lent_offset);
  return true;
}

Status Overlay::read(Io& io, const Base& base, bool may_keep, Lent& lent) noexcept {
  const bool nowait = io.has(Flag::nowait);
  const Gate::Pass pass(gate_, !nowait);
  if (!pass.entered()) return refused(io);
  const bool keep = may_keep && settings_.on_read && has_room();
  const auto [first, first_end] = run(io.offset(), io.end());
  if (first_end == io.end() && first == Where::base && !keep && (base.nowait || !nowait))
    return cut_extents(io, io.length(), [&](Io& one) { return base.next(one); });
  if (first_end == io.end() && is_zero(first) && io.has(Flag::may_hole)) {
    io.add_extent(io.length(), Extent::sparse);
    return Status::success();
  }
  if (first_end == io.end() && first == Where::overlay && io.has(Flag::may_lend) && lend(io, lent))
    return Status::success();
  if (io.has(Flag::lend_only)) return Status::would_block();
  for (std::uint64_t at = io.offset(); at != io.end();) {
    const auto [where, end] = run_of_blocks(at, io.end());
    const auto into = io.buffer().subspan(at - io.offset(), end - at);
    Status s;
    if (is_zero(where)) std::memset(into.data(), 0, into.size());
    else if (where == Where::overlay) s = read_store(io, base, at, into);
    else if (nowait && (keep || !base.nowait)) s = Status::would_block();
    else if (!keep) s = base.next(Io::read(io, at, into, io.flags() & Flag::nowait));
    else s = read_kept(io, base, at, into);
    if (s.failed()) return s;
    at = end;
  }
  return Status::success();
}

Status Overlay::write(Io& io, const Base& base) noexcept {
  const bool nowait = io.has(Flag::nowait);
  const Gate::Pass pass(gate_, !nowait);
  if (!pass.entered()) return refused(io);
  const bool durable = io.has(Flag::fua) && store_->is_kept();
  if (nowait) return durable ? Status::would_block() : write_now(io, base);
  if (const Status s = put(io, base, io.offset(), io.payload()); s.failed()) return s;
  return durable ? persist() : Status::success();
}

Status Overlay::zero(Io& io, const Base& base) noexcept {
  if (io.has(Flag::nowait)) return Status::would_block();
  const Gate::Pass pass(gate_, true);
  if (!pass.entered()) return refused(io);
  const Blocks blocks = whole(io.offset(), io.end());
  const std::uint64_t head_end = blocks.empty() ? io.end() : begin_of(blocks.first);
  const std::uint64_t tail = blocks.empty() ? io.end() : end_of(blocks.last - 1);
  // The edges are written.
  if (io.has(Flag::fast) && (head_end != io.offset() || tail != io.end())) return Status::not_supported();
  if (!blocks.empty()) {
    const Status s = io.has(Flag::may_trim) ? make_holes(blocks) : provision(io, base, blocks);
    if (s.failed()) return s;
  }
  if (const Status s = write_zeroes(io, base, io.offset(), head_end); s.failed()) return s;
  if (const Status s = write_zeroes(io, base, tail, io.end()); s.failed()) return s;
  return io.has(Flag::fua) && store_->is_kept() ? persist() : Status::success();
}

// Of the blocks at the edges nothing is trimmed.
Status Overlay::trim(Io& io) noexcept {
  if (io.has(Flag::nowait)) return Status::would_block();
  const Gate::Pass pass(gate_, true);
  if (!pass.entered()) return refused(io);
  const Blocks blocks = whole(io.offset(), io.end());
  if (blocks.empty()) return Status::success();
  if (const Status s = make_holes(blocks); s.failed()) return s;
  return io.has(Flag::fua) && store_->is_kept() ? persist() : Status::success();
}

// A store without a name is gone with the server: there is nothing that could be made durable.
Status Overlay::flush(Io& io) noexcept {
  if (settings_.path.empty()) return Status::success();
  return io.has(Flag::nowait) ? Status::would_block() : persist();
}

Status Overlay::persist() noexcept {
  try {
    const Persisting persisting(*this);
    return persist_alone();
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
}

// First the data, then the map that says where they are. The disk may take its time for both: meanwhile there is the
// tail. What changes meanwhile is for the next flush.
Status Overlay::persist_alone() noexcept {
  std::vector<std::uint64_t> pages;
  try {
    const Status s = persist_pages(pages);
    if (s.failed())
      for (const std::uint64_t page : pages) dirty_->mark(page);
    return s;
  } catch (const std::bad_alloc&) {
    for (const std::uint64_t page : pages) dirty_->mark(page);
    return Status{ENOMEM};
  } catch (const std::system_error& e) {
    for (const std::uint64_t page : pages) dirty_->mark(page);
    return Status{e.code().value()};
  }
}

Status Overlay::persist_pages(std::vector<std::uint64_t>& pages) {
  write_tail();
  pages.reserve(64);
  for (std::uint64_t i = 0; i != map_.pages(); ++i) {
    if (!dirty_->has(i)) continue;
    pages.push_back(i);
    dirty_->take(i);
  }
  std::vector<std::byte> contents(pages.size() * Map::page_bytes);
  const auto page = [&](std::size_t n) { return std::span(contents).subspan(n * Map::page_bytes, Map::page_bytes); };
  for (std::size_t n = 0; n != pages.size(); ++n) map_.save(pages[n], page(n));
  if (const Status s = flush_store(); s.failed()) return s;
  for (std::size_t n = 0; n != pages.size(); ++n)
    if (const Status s = store_->write_page(pages[n], page(n)); s.failed()) return s;
  if (!pages.empty())
    if (const Status s = flush_store(); s.failed()) return s;
  if (const int error = store_->tail().forget(); error != 0) return Status{error};
  settle_header();
  return Status::success();
}

Status Overlay::flush_store() noexcept {
  const Status s = store_->flush();
  if (s.failed()) has_lost_data_ = true;
  return s;
}

// A discard is done when the map is in the file. If that has failed then, it is done now: the next start would take
// what has been written since for what was to be discarded. A header that could not be written may be there in part.
void Overlay::settle_header() {
  Header header = store_->header();
  if (store_->has_header() && header.state != Header::State::discarding) return;
  if (header.state == Header::State::discarding) header.state = Header::State::normal;
  store_->set_header(header);
}

// Of a block that is there in part alone the layers below are not asked for the rest: there may be many.
Status Overlay::extents(Io& io, const Base& base, bool base_tells) noexcept {
  const bool nowait = io.has(Flag::nowait);
  const Gate::Pass pass(gate_, !nowait);
  if (!pass.entered()) return refused(io);
  for (std::uint64_t at = io.offset(); at != io.end();) {
    const Run here = run_of_blocks(at, io.end());
    const std::uint64_t end = here.end;
    const Where where = here.where;
    std::uint64_t told = 0;
    bool more = true;
    const auto tell = [&](std::uint64_t bytes, ExtentState state) {
      bytes = std::min(bytes, end - at - told);
      told += bytes;
      return more = bytes != 0 && io.add_extent(bytes, state);
    };
    if (where == Where::base && base_tells && nowait && !base.nowait) {
      if (at == io.offset()) return Status::would_block();
      break;
    }
    if (where == Where::base && base_tells) {
      ExtentSink sink(tell);
      Io below(io, Op::extents, at, end - at, io.flags());
      below.set_sink(&sink);
      // What was told stays true.
      if (const Status s = base.next(below); s.failed()) return at == io.offset() && told == 0 ? s : Status::success();
    } else {
      tell(end - at, where == Where::hole       ? Extent::sparse
                     : where == Where::reserved ? Extent::zero
                                                : Extent::allocated);
    }
    if (!more || told != end - at || io.has(Flag::req_one)) break;
    at = end;
  }
  return Status::success();
}
