// House: clients served as the server does it, over real sockets, with a loop that waits for the idle ones.
#pragma once
#include <boost/asio/post.hpp>
#include <cstring>
#include <future>
#include <thread>

#include "fake_export.hpp"
#include "server/connections.hpp"
#include "session/parts.hpp"
#include "session/wire_pair.hpp"
#include "socket/kernel_socket.hpp"

namespace ashlar::host {

constexpr std::uint32_t disk_size = 16u << 20;
constexpr std::size_t pool_size = 256u << 20;  // for large buffers
constexpr std::chrono::milliseconds long_time{60'000};

struct House {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  std::unique_ptr<FakeExport> made;
  std::unique_ptr<boost::asio::io_context> io = std::make_unique<boost::asio::io_context>(1);
  std::unique_ptr<SessionContext> context;
  std::unique_ptr<Connections> connections;
  std::thread loop;

  House() {
    plugin.geometry.bytes = disk_size;
    plugin.geometry.flags = 0;
    plugin.process = [](ashlar_io& io_, const ashlar_open&) {
      if (io_.op == ASHLAR_OP_READ) std::memset(io_.data, 'a', io_.length);
      return 0;
    };
  }
  void open(std::size_t most = 100, std::chrono::milliseconds handshake_timeout = long_time,
            const FakeExport::Settings& settings = {}) {
    made = std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin}, settings);
    context.reset(new SessionContext{.log = made->log.logger(),
                                     .repeats = Repeats(made->log.logger()),
                                     .exports = ServedExports(std::make_shared<Exports>(1, made->release())),
                                     .settings = std::make_shared<SessionSettings>(
                                         SessionSettings{.max_payload = protocol::payload_limits(std::nullopt),
                                                         .handshake_timeout = handshake_timeout,
                                                         .busy_poll = {}}),
                                     .pool = BufferPool(with_room(pool_size)),
                                     .workers = Workers(8)});
    connections = std::make_unique<Connections>(*io, *context, most);
    loop = std::thread([this] { io->run(); });
  }
  // What `f` returns on the loop's thread.
  template <class F>
  auto call(F f) {
    auto done = std::make_shared<std::promise<decltype(f())>>();
    auto result = done->get_future();
    boost::asio::post(*io, [&, done] { done->set_value(f()); });
    return result.get();
  }
  void add(WirePair& wire) { add(wire.make_socket()); }
  void add(std::unique_ptr<Socket> socket, const Peer& peer = {}) {
    call([&] { return connections->add(std::move(socket), peer), true; });
  }
  // As the server stops; returns when the last client is gone.
  void stop() {
    if (!loop.joinable()) return;
    boost::asio::post(*io, [&] { connections->stop([&] { io->stop(); }); });
    loop.join();
    context.reset();
    connections.reset();
  }
  ~House() { stop(); }
};

// Through the handshake; replies are simple then.
inline bool enter(WirePair& wire) {
  using namespace protocol;
  if (wire.receive(greeting_size).size() != greeting_size) return false;
  Bytes talk(client_flags_size + option_header_size);
  put32(talk.data(), flag_c_fixed_newstyle | flag_c_no_zeroes);
  put64(talk.data() + 4, option_magic);
  put32(talk.data() + 12, opt_export_name);
  put32(talk.data() + 16, 0);
  return wire.send(talk) && wire.receive(10).size() == 10;
}

inline Bytes request(std::uint16_t type, std::uint64_t cookie, std::uint32_t length) {
  using namespace protocol;
  Bytes b(request_size);
  put32(b.data(), request_magic);
  put16(b.data() + 6, type);
  put64(b.data() + 8, cookie);
  put32(b.data() + 24, length);
  return b;
}

inline void let_it_idle() { std::this_thread::sleep_for(3 * Socket::patience); }

}  // namespace ashlar::host
