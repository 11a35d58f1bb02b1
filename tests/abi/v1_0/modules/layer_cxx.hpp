// What plugin_cxx and filter_cxx have in common: parameters of each type, the host's services, a thread, and devices
// that know their client. As layer_c.h.
#pragma once
#include <ashlar/connection.hpp>
#include <ashlar/control.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

// Answers tickets, one at a time.
class Thread {
 public:
  Thread() : thread_([this] { answer(); }) {}
  ~Thread() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  ashlar::Status wait(const ashlar::Wait& wait) noexcept {
    try {
      ashlar::Wait::Ticket ticket(wait);
      ticket.on_cancel([](void*) noexcept {}, this);
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return ticket_ == nullptr; });
        ticket_ = &ticket;
      }
      changed_.notify_all();
      return ashlar::Status{static_cast<std::int32_t>(ticket.wait())};
    } catch (const std::bad_alloc&) {
      return ashlar::Status{ENOMEM};
    }
  }

 private:
  void answer() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!ends_ || ticket_ != nullptr) {
      if (ticket_ != nullptr) std::exchange(ticket_, nullptr)->done(0);
      changed_.notify_all();
      if (!ends_) changed_.wait(lock);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  ashlar::Wait::Ticket* ticket_ = nullptr;
  bool ends_ = false;
  std::thread thread_;
};

inline constexpr const char* speeds[] = {"slow", "quick", nullptr};
inline constexpr double bounds[] = {4096, 65536};

class CommonLayer {
 public:
  // `bytes`: where the disk ends.
  CommonLayer(const ashlar::Create& create, std::uint64_t bytes)
      : host(create.host),
        wait(create.host),
        requests(ashlar::Metrics(create.host).counter("requests", "that came")),
        devices(ashlar::Metrics(create.host).gauge("devices", "that are open")),
        lengths(ashlar::Metrics(create.host).histogram("length_bytes", "of the requests", bounds)),
        replies(ashlar::Metrics(create.host).counter("replies", "that left")),
        rotational(create.params.boolean("rotational")),
        ends(create.params.boolean("ends")),
        depth(static_cast<std::uint32_t>(create.params.integer("depth"))),
        verbs(create) {
    for (const ashlar_value* item : create.params.list("bad")) bad.push_back(static_cast<std::uint64_t>(item->number));
    for (const std::uint64_t at : bad)
      if (at >= bytes) throw ashlar::BadParameter("bad", std::to_string(at) + " is past the end", ERANGE);
    devices.set(0);
    const ashlar::Params& p = create.params;
    const std::string notes(p.has("notes") ? p.path("notes") : "-"), label(p.text("label")), speed(p.choice("speed"));
    host.log(ashlar::Level::info, "layer %u of %s", create.place, create.export_name);
    host.log(ashlar::Level::info, "label %s notes %s speed %d %s key of %zu bytes, %s", label.c_str(), notes.c_str(),
             speed == "quick" ? 1 : 0, speed.c_str(), p.secret("key").size(),
             host.extension("ashlar.no-such-thing/1") == nullptr ? "as expected" : "odd");
  }

  bool is_bad(const ashlar::Io& io) const {
    for (const std::uint64_t at : bad)
      if (at >= io.offset() && at < io.end()) return true;
    return false;
  }
  ashlar::Status sleep_a_little() const {
    wait.sleep_until(std::chrono::steady_clock::now() + std::chrono::microseconds(1));
    return ashlar::Status{wait.cancelled() ? ECANCELED : 0};
  }

  const ashlar::Host host;
  const ashlar::Wait wait;
  const ashlar::Counter requests;
  const ashlar::Gauge devices;
  const ashlar::Histogram lengths;
  const ashlar::Counter replies;
  const bool rotational, ends;  // `ends`: a bad place ends the connection
  const std::uint32_t depth;
  std::vector<std::uint64_t> bad;  // reads of these bytes fail
  Thread thread;
  ashlar::Verbs verbs;
};

// A module's own parameter stands before these.
#define COMMON_PARAMS                                                                                                \
  ashlar::Param::string("label", "what the log calls it").or_else("old"),                                            \
      ashlar::Param::path("notes", "a file that is named in the log"),                                               \
      ashlar::Param::boolean("rotational", "turns").or_else("false"),                                                \
      ashlar::Param::integer("depth", "requests at once").or_else("8").range(0, 64),                                 \
      ashlar::Param::choice("speed", speeds, "how fast").or_else("quick"),                                           \
      ashlar::Param::list(ashlar::Param::size("bad", "where reads fail")), ashlar::Param::secret("key", "opens it"), \
      ashlar::Param::boolean("ends", "a bad place ends the connection").or_else("false")

// What a device of either kind has.
class CommonDevice {
 public:
  CommonDevice(CommonLayer& layer, const ashlar::Open& open)
      : layer_(layer), disconnect_(open), replied_{sizeof(ashlar_replied), 0, this, &CommonDevice::replied} {
    layer_.devices.add(1);
    if (open.client) greet(*open.client, open.export_name);
  }
  ~CommonDevice() { layer_.devices.add(-1); }

 protected:
  void count(const ashlar::Io& io) const {
    layer_.requests.add();
    layer_.lengths.observe(static_cast<double>(io.length()));
  }
  ashlar::Status fail_bad() const {
    if (layer_.ends && disconnect_) disconnect_.disconnect();
    return ashlar::Status::io_error();
  }
  const void* replied_extension(const char* id) const {
    return std::string_view(id) == ASHLAR_REPLIED_ID ? &replied_ : nullptr;
  }

  CommonLayer& layer_;

 private:
  void greet(const ashlar::Client& client, const char* export_name) const {
    const auto or_dash = [](std::string_view text) { return text.empty() ? std::string("-") : std::string(text); };
    const auto number = [](std::optional<std::int64_t> n) { return static_cast<long long>(n.value_or(-1)); };
    layer_.host.log(
        ashlar::Level::info, "client %llu on %s at %s uid %lld gid %lld pid %lld tls %s psk %s asks for %s, has %s",
        static_cast<unsigned long long>(client.number()), client.transport() == ashlar::Transport::tcp ? "tcp" : "unix",
        or_dash(client.address()).c_str(), number(client.uid()), number(client.gid()), number(client.pid()),
        or_dash(client.tls_name()).c_str(), or_dash(client.psk_identity()).c_str(),
        or_dash(client.export_name()).c_str(), export_name);
  }
  static void replied(void* self, std::uint64_t id, std::int32_t status) noexcept {
    const auto& layer = static_cast<CommonDevice*>(self)->layer_;
    layer.replies.add();
    layer.host.log(ashlar::Level::debug, "replied to %llu: %d", static_cast<unsigned long long>(id),
                   static_cast<int>(status));
  }

  const ashlar::Disconnect disconnect_;
  const ashlar_replied replied_;
};
