// Requests, against a model of what the device holds.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <thread>

#include "checks.hpp"

namespace ashlar::check {
namespace {

using testing::ExtentList;
using testing::TestDevice;
using Bytes = std::vector<std::byte>;

std::string at(Op op, std::uint64_t offset, std::uint64_t n) {
  return std::string(name(op)) + " " + std::to_string(n) + "@" + std::to_string(offset);
}

void must(Status s, Op op, std::uint64_t offset, std::uint64_t n) {
  if (s.failed())
    throw Broken{at(op, offset, n) + " answered " + std::to_string(s.code()) + " (" + strerror(s.code()) + ")"};
}

// A read that has to fill `into`.
Status read_into(const TestDevice& device, std::uint64_t offset, std::span<std::byte> into, Flags flags = {}) {
  Io io = Io::read(offset, into, flags);
  const Status status = device.process(io);
  if (io.lent()) throw Broken{at(Op::read, offset, into.size()) + " lent its bytes unasked"};
  if (io.flags() != flags) throw Broken{at(Op::read, offset, into.size()) + " came back with other flags"};
  return status;
}

// The first part of a device, and what it must hold.
class Model {
 public:
  explicit Model(const TestDevice& device) : device_(device), g_(device.geometry()) {
    if (g_.size == 0) throw NotMade{"the device is empty"};
    bytes_.resize(std::min<std::uint64_t>(g_.size, 1 << 20));
    reload(0, bytes_.size());
  }

  // The largest piece that one request may carry.
  std::size_t largest() const {
    return g_.maximum != 0 ? std::min<std::size_t>(g_.maximum, bytes_.size()) : bytes_.size();
  }
  void reload(std::uint64_t offset, std::size_t n) {
    const std::size_t step = largest() / g_.minimum * g_.minimum;
    for (std::size_t done = 0, piece; done < n; done += piece) {
      piece = std::min({n - done, step != 0 ? step : n, std::size_t{256} << 10});
      must(read_into(device_, offset + done, std::span(bytes_).subspan(offset + done, piece)), Op::read, offset + done,
           piece);
    }
  }
  void compare(std::uint64_t offset, std::size_t n, Flags flags = {}) const {
    Bytes got(n);
    must(read_into(device_, offset, got, flags), Op::read, offset, n);
    require(std::equal(got.begin(), got.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset)),
            at(Op::read, offset, n) + " gave other bytes than before or than were written");
  }

  // A range that the device takes: on its blocks, or up to its end.
  struct Range {
    std::uint64_t offset;
    std::size_t n;
  };
  Range pick(std::mt19937& random) const {
    const std::size_t blocks = (bytes_.size() + g_.minimum - 1) / g_.minimum;
    const std::size_t first = random() % blocks;
    const std::size_t most = std::max<std::size_t>(1, std::min<std::size_t>(largest(), 64 << 10) / g_.minimum);
    const std::size_t count = 1 + random() % std::min(blocks - first, most);
    const std::uint64_t offset = first * g_.minimum;
    const std::uint64_t end = std::min<std::uint64_t>(offset + count * g_.minimum, bytes_.size());
    return {offset, static_cast<std::size_t>(end - offset)};
  }

  Bytes& bytes() { return bytes_; }
  const Geometry& geometry() const { return g_; }
  const TestDevice& device() const { return device_; }
  Flags fua(std::mt19937& random) const { return random() % 4 == 0 ? g_.flags & Flag::fua : Flag::none; }

 private:
  const TestDevice& device_;
  const Geometry g_;
  Bytes bytes_;
};

void check_reads(const Subject& s) {
  Opened opened(s);
  Model model(*opened.device);
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    const auto [offset, n] = model.pick(random);
    model.compare(offset, n);
  }
  const Geometry& g = model.geometry();
  const std::uint64_t last = (g.size - 1) / g.minimum * g.minimum;
  Bytes end(g.size - last);
  must(read_into(*opened.device, last, end), Op::read, last, end.size());
}

void write_one(Model& model, std::mt19937& random) {
  const auto [offset, n] = model.pick(random);
  Bytes what(n);
  for (std::byte& b : what) b = static_cast<std::byte>(random());
  const Bytes before = what;
  must(model.device().write(offset, what, model.fua(random)), Op::write, offset, n);
  require(what == before, at(Op::write, offset, n) + " changed its payload");
  std::copy(what.begin(), what.end(), model.bytes().begin() + static_cast<std::ptrdiff_t>(offset));
}

void zero_one(Model& model, std::mt19937& random) {
  const Geometry& g = model.geometry();
  if (!g.ops.has(Op::zero)) return;
  const auto [offset, n] = model.pick(random);
  Flags flags = model.fua(random);
  if (random() % 2 == 0) flags |= g.flags & Flag::may_trim;
  if (random() % 2 == 0) flags |= g.flags & Flag::fast;
  const Status status = model.device().zero(offset, n, flags);
  if (status == Status::not_supported()) {
    require(flags.has(Flag::fast) || g.zero_may_fail, at(Op::zero, offset, n) + " is offered, and not supported");
    if (!flags.has(Flag::fast)) model.reload(offset, n);
  } else {
    must(status, Op::zero, offset, n);
    std::fill_n(model.bytes().begin() + static_cast<std::ptrdiff_t>(offset), n, std::byte{0});
  }
}

void trim_one(Model& model, std::mt19937& random) {
  if (!model.geometry().ops.has(Op::trim)) return;
  const auto [offset, n] = model.pick(random);
  must(model.device().trim(offset, n, model.fua(random)), Op::trim, offset, n);
  model.reload(offset, n);
}

void need_write(const Opened& opened, const Subject& s) {
  if (s.module.kind == ASHLAR_PLUGIN && !s.may_write) throw NotMade{"needs --write"};
  if (!opened.may_write(s)) throw NotMade{"it does not write"};
}

void check_changes(const Subject& s) {
  Opened opened(s);
  need_write(opened, s);
  Model model(*opened.device);
  const Ops ops = model.geometry().ops;
  std::mt19937 random(2);
  for (int i = 0; i < 600; ++i) {
    switch (random() % 5) {
      case 0: zero_one(model, random); break;
      case 1: trim_one(model, random); break;
      case 2: {
        const auto [offset, n] = model.pick(random);
        model.compare(offset, n);
        break;
      }
      default: write_one(model, random);
    }
  }
  if (ops.has(Op::flush)) must(opened.device->flush(), Op::flush, 0, 0);
  for (std::size_t done = 0; done < model.bytes().size();) {
    const std::size_t n = std::min(model.largest(), model.bytes().size() - done);
    model.compare(done, n);
    done += n;
  }
}

void check_nowait(const Subject& s) {
  Opened opened(s);
  if (!opened.device->geometry().flags.has(Flag::nowait)) throw NotMade{"it does not know nowait"};
  Model model(*opened.device);
  std::mt19937 random(3);
  const bool writes = opened.may_write(s);
  for (int i = 0; i < 200; ++i) {
    const auto [offset, n] = model.pick(random);
    Bytes got(n, std::byte{0x5a});
    const Op op = writes && random() % 2 == 0 ? Op::write : Op::read;
    const Status status = op == Op::write ? opened.device->write(offset, got, Flag::nowait)
                                          : read_into(*opened.device, offset, got, Flag::nowait);
    if (status == Status::would_block()) model.compare(offset, n);
    else must(status, op, offset, n);
    if (status.ok() && op == Op::write)
      std::copy(got.begin(), got.end(), model.bytes().begin() + static_cast<std::ptrdiff_t>(offset));
    model.compare(offset, n);
  }
}

// Extents of the range, checked against what reads give.
void check_extents_of(const Model& model, const Bytes& bytes, std::uint64_t offset, std::size_t n, Flags flags) {
  ExtentList list;
  must(model.device().extents(offset, n, list, flags), Op::extents, offset, n);
  const std::string what = at(Op::extents, offset, n);
  require(!list.had_empty(), what + " gave an extent without a length");
  require(!list.extents().empty(), what + " gave none");
  require(list.total() <= model.geometry().size - offset, what + " reach past the end of the device");
  require(flags.has(Flag::req_one) || list.total() >= n,
          what + " cover only " + std::to_string(list.total()) + " bytes");
  std::uint64_t place = offset;
  for (const auto& e : list.extents()) {
    require(!e.state.has(ExtentState{~std::uint64_t{3}}) && e.state.without(Extent::sparse).bits() == 0,
            what + ": unknown state");
    for (std::uint64_t i = place;
         e.state.has(Extent::zero) && i < std::min<std::uint64_t>(place + e.length, bytes.size()); ++i)
      require(bytes[i] == std::byte{0}, what + " call byte " + std::to_string(i) + " zero, and it is not");
    place += e.length;
  }
}

void check_extents(const Subject& s) {
  Opened opened(s);
  if (!opened.device->geometry().ops.has(Op::extents)) throw NotMade{"it does not tell extents"};
  Model model(*opened.device);
  std::mt19937 random(4);
  for (int i = 0; i < 100; ++i) {
    if (opened.may_write(s)) i % 3 == 0 ? zero_one(model, random) : write_one(model, random);
    const auto [offset, n] = model.pick(random);
    check_extents_of(model, model.bytes(), offset, n, i % 2 == 0 ? model.geometry().flags & Flag::req_one : Flag::none);
  }
}

// A read with a shortcut, made into bytes as the host would.
Bytes resolve(const TestDevice& device, std::uint64_t offset, std::size_t n, Flags flags) {
  Bytes got(n, std::byte{0xa5});
  ExtentList list;
  Io io = Io::read(offset, got, flags);
  if (flags.has(Flag::may_hole)) io.set_sink(&list);
  const Status status = device.process(io);
  if (flags.has(Flag::nowait) && status == Status::would_block()) return resolve(device, offset, n, {});
  must(status, Op::read, offset, n);
  if (io.lent()) {
    require(flags.has(Flag::may_lend), "it lends unasked");
    got = read_lent(io);
  } else if (!list.extents().empty()) {
    require(list.total() >= n, at(Op::read, offset, n) + " reported only a part as extents");
    std::uint64_t place = 0;
    for (const auto& e : list.extents()) {
      const std::uint64_t inside = std::min<std::uint64_t>(e.length, n - place);
      if (e.state.has(Extent::zero))
        std::fill_n(got.begin() + static_cast<std::ptrdiff_t>(place), inside, std::byte{0});
      place += inside;
    }
  }
  return got;
}

// `flags`: a shortcut, and what it takes to ask for it.
void check_shortcut(const Subject& s, Flags flags) {
  Opened opened(s);
  if (!opened.device->geometry().flags.has(flags)) throw NotMade{"it does not know the flag"};
  Model model(*opened.device);
  std::mt19937 random(5);
  for (int i = 0; i < 100; ++i) {
    if (opened.may_write(s) && i % 3 == 0) zero_one(model, random);
    const auto [offset, n] = model.pick(random);
    const auto first = model.bytes().begin() + static_cast<std::ptrdiff_t>(offset);
    require(resolve(*opened.device, offset, n, flags) == Bytes(first, first + static_cast<std::ptrdiff_t>(n)),
            at(Op::read, offset, n) + " gave other bytes this way");
  }
}

void check_cache(const Subject& s) {
  Opened opened(s);
  if (!opened.device->geometry().ops.has(Op::cache)) throw NotMade{"it does not cache"};
  Model model(*opened.device);
  std::mt19937 random(6);
  for (int i = 0; i < 20; ++i) {
    const auto [offset, n] = model.pick(random);
    must(opened.device->cache(offset, n), Op::cache, offset, n);
    model.compare(offset, n);
  }
}

// Each thread has a device of its own and one they all share; each has a part of the disk of its own.
void run_one_of_many(Opened& opened, const TestDevice& shared, const Subject& s, std::size_t number, std::string& how) {
  try {
    const auto own = opened.open(!opened.may_write(s));
    const Geometry g = own->geometry();
    const std::size_t piece = std::max<std::size_t>(g.minimum, 512);
    const std::uint64_t offset = number * piece;
    if (g.size < offset + piece) return;
    Bytes what(piece), got(piece);
    must(read_into(*own, offset, what), Op::read, offset, piece);
    for (int i = 0; i < 200; ++i) {
      const TestDevice& device = i % 2 == 0 ? *own : shared;
      if (opened.may_write(s)) {
        what.assign(piece, static_cast<std::byte>(i + static_cast<int>(number)));
        must(device.write(offset, what), Op::write, offset, piece);
      }
      must(read_into(i % 3 == 0 ? *own : shared, offset, got), Op::read, offset, piece);
      require(got == what, at(Op::read, offset, piece) + " gave bytes of another request");
    }
  } catch (const Broken& b) {
    how = b.how;
  } catch (const std::exception& e) {
    how = e.what();
  }
}

void check_parallel(const Subject& s) {
  if (s.module.threads != ASHLAR_PARALLEL) throw NotMade{"it is serial"};
  Opened opened(s);
  std::string how[4];
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] { run_one_of_many(opened, *opened.device, s, i, how[i]); });
  for (std::thread& t : threads) t.join();
  for (const std::string& text : how) require(text.empty(), text);
}

}  // namespace

std::vector<std::byte> read_lent(const Io& io) {
  constexpr std::size_t page = 4096;
  const std::size_t n = io.length();
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(page, (n + page - 1) / page * page),
                                                           &std::free);
  if (memory == nullptr) throw std::bad_alloc();
  require(::pread(io.lent_fd, memory.get(), n, static_cast<off_t>(io.lent_offset)) == static_cast<ssize_t>(n),
          at(Op::read, io.offset(), n) + ": what it lent cannot be read");
  const auto* bytes = static_cast<const std::byte*>(memory.get());
  return {bytes, bytes + n};
}

void check_data(Report& report, const Subject& s) {
  report.promise("reads give the same bytes each time, to the end", [&] { check_reads(s); });
  report.promise("writes, zeroes and trims are as a model has them", [&] { check_changes(s); });
  report.promise("a try without waiting changes all or nothing", [&] { check_nowait(s); });
  report.promise("extents cover what was asked, and are true", [&] { check_extents(s); });
  report.promise("what is lent are the bytes", [&] { check_shortcut(s, Flag::may_lend); });
  report.promise("what is lent from the disk are the bytes",
                 [&] { check_shortcut(s, Flag::nowait | Flag::may_lend | Flag::may_lend_cold); });
  report.promise("holes of a read are zeroes", [&] { check_shortcut(s, Flag::may_hole); });
  report.promise("cache changes nothing", [&] { check_cache(s); });
  report.promise("calls on several threads do not disturb each other", [&] { check_parallel(s); });
}

}  // namespace ashlar::check
