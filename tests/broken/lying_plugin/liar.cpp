#include "liar.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace lying {
namespace {

// Throws BadParameter.
const Lie* find(std::string_view name) {
  for (const auto lies : {&data_lies, &answer_lies, &request_lies, &shortcut_lies, &thread_lies, &life_lies, &view_lies,
                          &kept_lies, &process_lies})
    for (const Lie& lie : lies())
      if (lie.name == name) return &lie;
  throw BadParameter("lie", "lie: there is none called " + std::string(name));
}

}  // namespace

File::File(std::uint64_t size) : fd_(::memfd_create("liar", MFD_CLOEXEC)) {
  if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(size)) != 0)
    throw std::system_error(errno, std::generic_category(), "no memory");
}

File::~File() { ::close(fd_); }

Layer::Layer(const Create& create)
    : lie(find(create.params.text("lie"))),
      op(number_of(create.params.choice("op"))),
      size(create.params.size("size")),
      file(size),
      wait(create.host) {
  const std::string secret(create.params.secret("secret"));
  if (secret.empty()) return;
  create.host.log(Level::info, "the secret is %s", secret.c_str());
  throw BadParameter("secret", "there is no \x1b" + secret + "\xff here");
}

Liar::Liar(Layer& of, const Open& open) : layer(of), own(of.size), fd(of.file.fd()), read_only(open.read_only) {
  ++layer.opened;
  if (layer.is("crashes_for_a_verb") && open.purpose == Purpose::verb) std::abort();
  leave_behind(layer.lie->name, kept_per_open);
  if (!layer.is("reads_a_snapshot") || !read_only) return;
  kept.resize(std::min<std::uint64_t>(layer.size, 4 << 20));
  static_cast<void>(!::pread(fd, kept.data(), kept.size(), 0));
  kept_at = layer.size;
}

Liar::~Liar() {
  finish();
  layer.one_was_closed = true;
  if (layer.is("crashes_in_close")) std::abort();
}

Geometry Liar::describe() {
  Geometry g;
  g.size = layer.size;
  g.flags = Flag::promises | Flag::nowait | Flag::may_lend | Flag::may_hole;
  g.multi_conn = true;
  if (read_only && layer.is("another_size_when_read_only")) g.size -= block;
  if (layer.lie->describe != nullptr) layer.lie->describe(layer, g);
  return g;
}

Status Liar::honest(Io& io) noexcept {
  switch (io.op()) {
    case Op::read: return read_it(io);
    case Op::write: return put(io.offset(), io.payload().data(), io.length());
    case Op::trim:
    case Op::zero: return clear(io.offset(), io.length());
    case Op::extents: return tell(io);
    default: return Status::success();
  }
}

Status Liar::read_it(Io& io) noexcept {
  if (io.has(Flag::may_lend)) {
    io.lend(fd, io.offset());
    return Status::success();
  }
  if (::pread(fd, io.data, io.length(), static_cast<off_t>(io.offset())) != static_cast<ssize_t>(io.length()))
    return Status::io_error();
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (kept_at + i >= io.offset() && kept_at + i < io.end()) io.buffer()[kept_at + i - io.offset()] = kept[i];
  return Status::success();
}

Status Liar::put(std::uint64_t at, const std::byte* from, std::size_t n) noexcept {
  return ::pwrite(fd, from, n, static_cast<off_t>(at)) == static_cast<ssize_t>(n) ? Status::success()
                                                                                  : Status::no_space();
}

Status Liar::clear(std::uint64_t at, std::uint64_t n) noexcept {
  constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  return ::fallocate(fd, punch, static_cast<off_t>(at), static_cast<off_t>(n)) == 0 ? Status::success()
                                                                                    : Status::io_error();
}

Status Liar::tell(Io& io) noexcept {
  for (std::uint64_t at = io.offset(); at < io.end();) {
    off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0) data = static_cast<off_t>(io.end());
    const bool hole = static_cast<std::uint64_t>(data) != at;
    const std::uint64_t end = hole ? static_cast<std::uint64_t>(data)
                                   : static_cast<std::uint64_t>(::lseek(fd, static_cast<off_t>(at), SEEK_HOLE));
    const std::uint64_t n = std::min(end, io.end()) - at;
    if (!io.add_extent(n, hole ? Extent::sparse : Extent::allocated) || io.has(Flag::req_one)) break;
    at += n;
  }
  return Status::success();
}

Status Liar::moved(Io& io, std::uint64_t offset, std::uint64_t length) noexcept {
  if (io.op() == Op::flush) return honest(io);
  const std::uint64_t was = io.offset(), had = io.length();
  io.set_range(offset, length);
  const Status s = honest(io);
  io.set_range(was, had);
  return s;
}

}  // namespace lying

using lying::Liar;

ASHLAR_MODULE(Liar, .name = "lying_plugin", .version = "1.0", .summary = "lies in one thing",
              .threads = ashlar::Threads::parallel)
