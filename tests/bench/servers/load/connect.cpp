#include "connect.hpp"

#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "protocol/codec.hpp"

namespace ashlar::bench {
namespace {

using namespace protocol;

void send_option(Stream& stream, std::uint32_t option, const std::vector<std::byte>& data) {
  std::vector<std::byte> bytes(option_header_size);
  put64(bytes.data(), option_magic);
  put32(bytes.data() + 8, option);
  put32(bytes.data() + 12, static_cast<std::uint32_t>(data.size()));
  bytes.insert(bytes.end(), data.begin(), data.end());
  stream.send_all(bytes.data(), bytes.size());
}

struct OptionReply {
  std::uint32_t type;
  std::vector<std::byte> data;
};

OptionReply receive_reply(Stream& stream) {
  std::array<std::byte, option_reply_header_size> header;
  stream.receive_all(header.data(), header.size());
  if (get64(header.data()) != option_reply_magic) throw std::runtime_error("not the reply to an option");
  OptionReply reply{get32(header.data() + 12), {}};
  const std::uint32_t length = get32(header.data() + 16);
  if (length > (1u << 20)) throw std::runtime_error("the reply to an option is too long");
  reply.data.resize(length);
  stream.receive_all(reply.data.data(), length);
  return reply;
}

std::vector<std::byte> go_data(const std::string& name) {
  std::vector<std::byte> data(4 + name.size() + 2);
  put32(data.data(), static_cast<std::uint32_t>(name.size()));
  std::memcpy(data.data() + 4, name.data(), name.size());
  put16(data.data() + 4 + name.size(), 0);  // no items asked for
  return data;
}

}  // namespace

std::uint64_t shake_hands(Stream& stream, const Options& options) {
  std::array<std::byte, greeting_size> greeting;
  stream.receive_all(greeting.data(), greeting.size());
  if (get64(greeting.data()) != init_magic || get64(greeting.data() + 8) != option_magic)
    throw std::runtime_error("not a newstyle NBD server");
  std::array<std::byte, client_flags_size> flags;
  put32(flags.data(), flag_c_fixed_newstyle);
  stream.send_all(flags.data(), flags.size());
  if (!options.tls.empty()) {
    send_option(stream, opt_starttls, {});
    if (receive_reply(stream).type != rep_ack) throw std::runtime_error("the server refuses TLS");
    stream.secure(options.tls);
  }
  if (options.structured) {
    send_option(stream, opt_structured_reply, {});
    receive_reply(stream);
  }
  send_option(stream, opt_go, go_data(options.export_name));
  std::uint64_t size = 0;
  for (;;) {
    const OptionReply reply = receive_reply(stream);
    if (reply.type == rep_ack) return size;
    if (reply.type & 0x80000000u) {
      const std::string text(reinterpret_cast<const char*>(reply.data.data()), reply.data.size());
      throw std::runtime_error("export \"" + options.export_name + "\" is refused: " + text);
    }
    if (reply.type == rep_info && reply.data.size() >= 10 && get16(reply.data.data()) == info_export)
      size = get64(reply.data.data() + 2);
  }
}

}  // namespace ashlar::bench
