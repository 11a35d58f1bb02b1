// FakeDisk: an export of one fake plugin that is a disk in memory, opened, and what is asked of it.
#pragma once
#include <cstring>
#include <memory>
#include <mutex>

#include "fake_export.hpp"
#include "protocol/offer.hpp"
#include "session/request_runner.hpp"
#include "wire_pair.hpp"

namespace ashlar::host {

class FakeDisk {
 public:
  explicit FakeDisk(std::size_t size = 1 << 20) : bytes_(pattern(size, 42)) {
    plugin.geometry.bytes = size;
    plugin.geometry.flags = 0;
    plugin.process = [this](ashlar_io& io, const ashlar_open&) { return serve(io); };
  }

  // To be called once, when `plugin` is as it shall be. `client`: for whom; null: for none.
  void open(const ForClient* client = nullptr) {
    export_ = std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin});
    chain_ = (*export_)->open(client);
  }
  Chain& chain() { return *chain_; }
  FakeExport& exported() { return *export_; }
  protocol::Agreement agreement(bool structured = true) const {
    return {.export_index = 0,
            .structured_replies = structured,
            .base_allocation = structured,
            .allocation_context = 7,
            .transmission_flags = protocol::transmission_flags(chain_->geometry(), structured)};
  }

  // How the disk answers unless told otherwise.
  std::int32_t serve(ashlar_io& io) {
    const std::lock_guard guard(mutex_);
    if (io.op == ASHLAR_OP_READ) std::memcpy(io.data, bytes_.data() + io.offset, io.length);
    if (io.op == ASHLAR_OP_WRITE) std::memcpy(bytes_.data() + io.offset, io.data, io.length);
    return 0;
  }
  Bytes contents(std::size_t offset, std::size_t length) const {
    const std::lock_guard guard(mutex_);
    const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(length)};
  }

  FakeModule plugin{ModuleKind::plugin, "disk"};

 private:
  mutable std::mutex mutex_;
  Bytes bytes_;
  std::unique_ptr<FakeExport> export_;
  std::unique_ptr<Chain> chain_;
};

// Bytes before the data of a read's reply.
inline std::size_t data_header_size(bool structured) {
  using protocol::ReplyStyle;
  return ReplyStyle(structured ? ReplyStyle::Kind::structured : ReplyStyle::Kind::simple).data_header_size();
}

// A runner for the disk, and its replies as the client would read them.
class Replies {
 public:
  explicit Replies(FakeDisk& disk, bool structured = true, std::uint32_t max_payload = 32u << 20)
      : repeats(disk.exported().log.logger()), runner(disk.chain(), disk.agreement(structured), max_payload, repeats) {}

  Asked ask(std::uint16_t type, std::uint64_t offset, std::uint32_t length, std::uint16_t flags = 0,
            const std::byte* payload = nullptr) const {
    Asked asked;
    asked.request = {.flags = flags, .type = type, .cookie = 0x0123456789abcdef, .offset = offset, .length = length};
    asked.verdict = protocol::admit(asked.request, runner.admission());
    asked.payload = payload;
    return asked;
  }

  // Lays the reply out in `bytes`; throws when it runs over the room that was promised to do.
  Reply run(const Asked& asked, Flags shortcuts = Flag::none) {
    return laid_out(runner.reply_bytes(asked), [&](std::byte* at) {
      return asked.verdict.kind == protocol::Verdict::Kind::run ? runner.run(asked, at, shortcuts)
                                                                : runner.settle(asked, at);
    });
  }
  // Likewise.
  Reply try_lend(const Asked& asked) {
    return laid_out(RequestRunner::lend_bytes, [&](std::byte* at) { return runner.try_lend(asked, at); });
  }

  // The chunks of what `bytes` holds.
  std::vector<Chunk> chunks() const {
    std::vector<Chunk> all;
    std::size_t at = 0;
    const auto take = [&](std::size_t n) {
      if (bytes.size() - at < n) throw std::runtime_error("reply is cut off");
      at += n;
      return Bytes(bytes.data() + at - n, bytes.data() + at);
    };
    while (at < bytes.size()) {
      all.push_back(take_chunk(take));
      if (!all.back().structured) break;  // data may follow
    }
    return all;
  }
  // The only chunk of the reply to `asked`.
  Chunk one(const Asked& asked, Flags shortcuts = Flag::none) {
    if (run(asked, shortcuts).kind != Reply::Kind::ready) throw std::runtime_error("no reply");
    const auto all = chunks();
    if (all.size() != 1) throw std::runtime_error("not one chunk");
    return all.front();
  }

  Repeats repeats;
  RequestRunner runner;
  Bytes bytes;

 private:
  template <class LayOut>
  Reply laid_out(std::size_t room, LayOut lay_out) {
    constexpr std::size_t guard = 64;
    bytes.assign(room + guard, std::byte{0xee});
    const Reply reply = lay_out(bytes.data());
    for (std::size_t i = room; i < room + guard; ++i)
      if (bytes[i] != std::byte{0xee}) throw std::runtime_error("reply larger than its room");
    bytes.resize(reply.bytes);
    return reply;
  }
};

}  // namespace ashlar::host
