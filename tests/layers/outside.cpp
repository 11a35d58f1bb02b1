// outside: a filter that asks the host for all that it does for one connection. Reads wait for a thread of the layer's,
// as for a library that works by callbacks; the offset says how a trim is answered.
#include <ashlar/connection.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/wait.hpp>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

using namespace ashlar;

namespace {

// Answers each ticket when its gate, a file, is there.
class Answerer {
 public:
  explicit Answerer(std::filesystem::path gate) : gate_(std::move(gate)), thread_([this] { answer(); }) {}
  ~Answerer() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ends_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void add(Wait::Ticket& ticket) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      tickets_.push_back(&ticket);
    }
    changed_.notify_one();
  }
  void give_up() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      gives_up_ = true;
    }
    changed_.notify_one();
  }

 private:
  void answer() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait_for(lock, std::chrono::milliseconds(10), [this] { return ends_ || gives_up_; });
      const bool open = gives_up_ || std::filesystem::exists(gate_);
      for (; open && !tickets_.empty(); tickets_.pop_front()) tickets_.front()->done(gives_up_ ? ECANCELED : 0);
      gives_up_ = false;
      if (ends_) return;
    }
  }

  const std::filesystem::path gate_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Wait::Ticket*> tickets_;
  bool ends_ = false, gives_up_ = false;
  std::thread thread_;
};

}  // namespace

class Outside final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create) : host(create.host), wait(create.host), answerer(create.params.path("gate")) {}
    const Host host;
    const Wait wait;
    Answerer answerer;
  };
  static constexpr Param params[] = {Param::path("gate", "reads are answered when this file is there").needed()};

  Outside(Layer& layer, const Open& open) : Filter(open), layer_(layer), reopen_(open), disconnect_(open) {
    if (!open.client) return;
    const Client& client = *open.client;
    layer_.host.log(Level::info, "client number=%llu name=%.*s uid=%lld address=%.*s",
                    static_cast<unsigned long long>(client.number()), static_cast<int>(client.export_name().size()),
                    client.export_name().data(), static_cast<long long>(client.uid().value_or(-1)),
                    static_cast<int>(client.address().size()), client.address().data());
  }

  Geometry describe() override {
    Geometry g = offer();
    g.depth = 1000;
    return g;
  }

  Status read(Io& io) noexcept override {
    Wait::Ticket ticket(layer_.wait);
    layer_.answerer.add(ticket);
    // Behind it: the hook is called at once when the client has gone already, and gives up what was added.
    ticket.on_cancel([](void* answerer) noexcept { static_cast<Answerer*>(answerer)->give_up(); }, &layer_.answerer);
    layer_.host.log(Level::info, "waits");
    const Status answer{static_cast<std::int32_t>(ticket.wait())};
    if (layer_.wait.cancelled()) layer_.host.log(Level::info, "cancelled");
    return answer.ok() ? next(io) : answer;
  }

  Status trim(Io& io) noexcept override {
    if (io.offset() == 0) return reopen_.reopen(reopen_.generation());
    disconnect_.disconnect();
    return Status::success();
  }

 private:
  Layer& layer_;
  const Reopen reopen_;
  const Disconnect disconnect_;
};

ASHLAR_MODULE(Outside, .name = "outside", .version = "1.0", .summary = "asks the host for all it does",
              .threads = Threads::parallel)
