// The outlet over a socket pair: replies sent by the session, one or many at a time, and taken off again.
#include "session/outlet.hpp"

#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <vector>

#include "socket/kernel_socket.hpp"

namespace {

using namespace ashlar::host;

void outlet_send(benchmark::State& state) {
  std::array<int, 2> ends;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return state.SkipWithError("socketpair");
  {
    BufferPool pool(BufferPool::limits_for(std::size_t{1} << 30));
    KernelSocket socket(ends[0]);
    const std::atomic<bool> stopping{false};
    Waiter waiter(socket);
    const MemoryUse memory(pool, waiter, socket, stopping);
    Workers workers(1);
    std::atomic<bool> waits{false};
    Outlet outlet(socket, workers, memory, waits);
    std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0))), taken(bytes.size());
    for (auto _ : state) {
      outlet.send(bytes);
      if (::recv(ends[1], taken.data(), taken.size(), MSG_WAITALL) != static_cast<ssize_t>(taken.size())) {
        state.SkipWithError("not all has come");
        break;
      }
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
  }
  ::close(ends[1]);
}
BENCHMARK(outlet_send)->ArgName("bytes")->Arg(16)->Arg(4096 + 16)->Arg(16 * (4096 + 16));

}  // namespace
