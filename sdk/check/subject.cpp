#include "subject.hpp"

namespace ashlar::check {

const std::vector<std::uint64_t> disk_sizes = {(1 << 20) + 512, 1 << 20, (64 << 20) + 512,
                                               (std::uint64_t{16} << 30) + 512, (std::uint64_t{1} << 45) + 512};
namespace {

// Farther than sectors count with 32 bits.
constexpr std::uint64_t far_size = (std::uint64_t{4} << 40) + (std::uint64_t{12} << 30) + 512;
constexpr std::uint64_t around = 96 << 10;  // bytes that a place of a large disk is filled with, on either side

void fill(Disk& disk) {
  for (const Range& place : places(disk.geometry().size, around)) disk.fill(place.offset, place.length);
}

}  // namespace

std::vector<Range> places(std::uint64_t size, std::uint64_t around) {
  if (size <= 2 << 20) return {{0, size}};
  std::vector<Range> all;
  const auto add = [&](std::uint64_t middle) {
    const std::uint64_t begin = middle > around ? middle - around : 0, end = std::min(size, middle + around);
    if (begin >= end) return;
    if (!all.empty() && begin <= all.back().end()) all.back().length = end - all.back().offset;
    else all.push_back({begin, end - begin});
  };
  add(0);
  for (const unsigned bit : {20u, 24u, 31u, 32u}) add(std::uint64_t{1} << bit);
  add(std::uint64_t{3} << 31);
  for (const unsigned bit : {33u, 40u, 44u, 48u, 56u, 62u}) add(std::uint64_t{1} << bit);
  std::erase_if(all, [&](const Range& r) { return r.end() + around >= size; });
  add(size);
  return all;
}

Geometry Bench::usual_below(std::uint64_t size) {
  Geometry g;
  g.size = size;
  g.flags = Flag::promises | Flag::shortcuts;
  g.multi_conn = true;
  return g;
}

Bench::Bench(const Subject& subject, const Under& under) : subject_(subject), services_(subject.options) {
  if (subject.is_filter()) {
    const std::uint64_t size = disk_sizes.at(subject.size_index);
    Geometry below = usual_below(under.far ? std::max(size, far_size) : size);
    if (under.geometry) under.geometry(below);
    disk_ = std::make_unique<Disk>(below);
    disk_->lend(under.lends);
    if (under.unheard_of) disk_->add_unheard_of(unheard_of, unheard_of, unheard_of);
    fill(*disk_);
  }
  try {
    start();
  } catch (const Refused& r) {
    if (under.geometry || under.far || under.unheard_of) throw NotMade{r.what()};
    throw Unusable{"the module refuses to be opened with these parameters: " + (r.text.empty() ? r.what() : r.text)};
  } catch (const std::invalid_argument& e) {
    throw Unusable{e.what()};
  }
}

Bench::~Bench() = default;

void Bench::start() {
  layer_ = std::make_unique<Layer>(subject_.module, services_, subject_.options.given, subject_.watch);
  if (disk_ != nullptr && layer_->never_writes_below())
    disk_->forbid_changes("the filter has said that it never writes below");
  first_ = open(!subject_.is_filter() && !subject_.options.write);
}

std::unique_ptr<Bench::Opened> Bench::open(bool read_only, std::uint32_t purpose) {
  return std::make_unique<Opened>(*layer_, disk_ != nullptr ? disk_->connect() : nullptr, read_only, purpose);
}

Disk::Connection& Bench::connect_for_verb() {
  const std::lock_guard guard(mutex_);
  return *for_verbs_.emplace_back(disk_->connect());
}

void Bench::reopen() {
  first_.reset();
  layer_.reset();
  start();
}

// A close may write what the layer has kept back: not any more.
void Bench::lose_power() {
  disk_->judge([](const Disk::Call&, std::size_t) { return Status::io_error(); });
  first_.reset();
  layer_.reset();
  disk_->cut_power();
  disk_->judge({});
  start();
}

Device& Bench::device() { return first_->device; }

bool Bench::writes() {
  const bool allowed = subject_.is_filter() || subject_.options.write;
  return allowed && !geometry().read_only && geometry().ops.has(Op::write);
}

bool Bench::may_send(Op op) { return geometry().ops.has(op) && (!Ops::writing().has(op) || writes()); }

void Bench::need_writes() {
  if (!subject_.is_filter() && !subject_.options.write) throw NotMade{"needs --write"};
  if (!writes()) throw NotMade{"it does not write"};
}

bool Bench::never_writes_below() const { return layer_->never_writes_below(); }

void Bench::need_writes_below() const {
  if (never_writes_below()) throw NotMade{"it never writes below"};
}

void Bench::look() {
  first_->look();
  if (disk_ != nullptr) disk_->look();
  if (services_.tickets() != 0) throw Broken{"it began to wait and did not wait"};
}

void over_layers(const Subject& subject, const std::vector<Under>& layers, const std::function<void(Bench&)>& check) {
  std::optional<NotMade> first;
  bool tried = false;
  for (const Under& under : layers) {
    try {
      Bench bench(subject, under);
      check(bench);
      bench.look();
      tried = true;
    } catch (const NotMade& n) {
      if (!first) first = n;
    }
    if (!subject.is_filter()) break;
  }
  if (!tried) throw *first;
}

}  // namespace ashlar::check
