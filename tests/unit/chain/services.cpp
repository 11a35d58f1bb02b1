// What the host does for modules: waiting, and services for one connection.
#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "chain/cancellation.hpp"
#include "chain/wait.hpp"
#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using Lines = std::vector<std::string>;

ashlar_io request(std::uint32_t op, std::uint64_t flags = 0) {
  return {sizeof(ashlar_io), op, flags, 4096, 512, nullptr, nullptr, -1, 0, 0, 0, 0};
}

std::uint64_t monotonic(std::chrono::nanoseconds from_now) {
  return static_cast<std::uint64_t>((std::chrono::steady_clock::now() + from_now).time_since_epoch().count());
}

constexpr ashlar_client somebody{.struct_size = sizeof(ashlar_client),
                                 .transport = ASHLAR_TRANSPORT_TCP,
                                 .number = 7,
                                 .address = "192.0.2.1:4711",
                                 .uid = -1,
                                 .gid = -1,
                                 .pid = -1,
                                 .tls_name = nullptr,
                                 .psk_identity = nullptr,
                                 .export_name = "typed"};

// A filter above a plugin, opened for a client.
struct TwoLayers {
  Journal journal;
  FakeModule filter{ModuleKind::filter, "top"}, plugin{ModuleKind::plugin, "disk"};
  std::atomic<bool> gone{false}, broken_off{false};
  Cancellation of_reads{[this] { return gone || broken_off; }}, of_writes{[this] { return broken_off.load(); }};
  std::atomic<int> disconnected{0};
  const ForClient client{
      .client = somebody, .of_reads = of_reads, .of_writes = of_writes, .disconnect = [this] { ++disconnected; }};
  std::optional<FakeExport> made;

  TwoLayers() {
    filter.process = [](ashlar_io& io, const ashlar_open& how) { return how.next->process(how.next->self, &io); };
  }
  std::unique_ptr<Chain> open() {
    if (!made) made.emplace(std::vector<FakeModule*>{&filter, &plugin});
    return (*made)->open(&client);
  }
};

const ashlar_wait& services = wait_services();

}  // namespace

TEST_CASE("a wait ends with done, whichever comes first, and has its result") {
  ashlar_ticket* const early = services.begin(nullptr);
  services.done(nullptr, early, 42);
  CHECK(services.wait(nullptr, early) == 42);

  ashlar_ticket* const late = services.begin(nullptr);
  std::thread other([&] { services.done(nullptr, late, -1); });
  CHECK(services.wait(nullptr, late) == -1);
  other.join();
}

TEST_CASE("a call that is cancelled hears of it, and its wait goes on until it is done") {
  TwoLayers layers;
  const auto chain = layers.open();
  std::promise<void> heard;
  std::promise<ashlar_ticket*> begun;
  Lines cancelled;
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    cancelled.push_back(std::to_string(services.cancelled(nullptr)));
    ashlar_ticket* const ticket = services.begin(nullptr);
    services.on_cancel(
        nullptr, ticket, [](void* told) noexcept { static_cast<std::promise<void>*>(told)->set_value(); }, &heard);
    begun.set_value(ticket);
    const std::int64_t result = services.wait(nullptr, ticket);
    cancelled.push_back(std::to_string(services.cancelled(nullptr)));
    return static_cast<int>(result);
  };
  auto call = std::async(std::launch::async, [&] {
    ashlar_io io = request(ASHLAR_OP_READ);
    return chain->process(io);
  });
  ashlar_ticket* const ticket = begun.get_future().get();
  layers.gone = true;
  heard.get_future().get();
  CHECK(call.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
  services.done(nullptr, ticket, ECANCELED);
  CHECK(call.get() == ECANCELED);
  CHECK(cancelled == Lines{"0", "1"});
}

TEST_CASE("who wanted the answers is not asked for more often than is said, and not again once gone") {
  constexpr std::chrono::hours longer_than_since_boot(876'000);
  int asked = 0;
  bool gone = false;
  const auto is_gone = [&] { return ++asked, gone; };
  Cancellation seldom(is_gone, longer_than_since_boot), always(is_gone);
  for (int i = 0; i != 3; ++i) CHECK_FALSE(seldom.cancelled());
  CHECK(asked == 1);
  gone = true;
  CHECK_FALSE(seldom.cancelled());
  for (int i = 0; i != 3; ++i) CHECK(always.cancelled());
  CHECK(asked == 2);
}

TEST_CASE("a hook is called at once when the call is cancelled already, and not once the wait is over") {
  TwoLayers layers;
  const auto chain = layers.open();
  int calls = 0;
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    ashlar_ticket* const ticket = services.begin(nullptr);
    services.on_cancel(
        nullptr, ticket, [](void* n) noexcept { ++*static_cast<int*>(n); }, &calls);
    services.done(nullptr, ticket, 0);
    return static_cast<int>(services.wait(nullptr, ticket));
  };
  ashlar_io io = request(ASHLAR_OP_READ);
  CHECK(chain->process(io) == 0);
  CHECK(calls == 0);
  layers.gone = true;
  CHECK(calls == 0);
  CHECK(chain->process(io) == 0);
  CHECK(calls == 1);
}

TEST_CASE("what a client has asked to be changed is not cancelled because it goes, but when the server breaks off") {
  TwoLayers layers;
  const auto chain = layers.open();
  std::int32_t cancelled = 0;
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return cancelled = services.cancelled(nullptr), 0; };
  layers.filter.process = [](ashlar_io& io, const ashlar_open& how) {
    ashlar_io read = io;  // as for a part of a block that is to be written
    read.op = ASHLAR_OP_READ;
    return how.next->process(how.next->self, &read);
  };
  layers.gone = true;
  for (const std::uint32_t op : {ASHLAR_OP_WRITE, ASHLAR_OP_FLUSH, ASHLAR_OP_TRIM, ASHLAR_OP_ZERO, ASHLAR_OP_READ,
                                 ASHLAR_OP_CACHE, ASHLAR_OP_EXTENTS}) {
    const bool changes = op == ASHLAR_OP_WRITE || op == ASHLAR_OP_FLUSH || op == ASHLAR_OP_TRIM || op == ASHLAR_OP_ZERO;
    ashlar_io io = request(op);
    CHECK(chain->process(io) == 0);
    CHECK(cancelled == (changes ? 0 : 1));
  }
  layers.broken_off = true;
  ashlar_io io = request(ASHLAR_OP_WRITE);
  CHECK(chain->process(io) == 0);
  CHECK(cancelled == 1);
}

TEST_CASE("a sleep ends at its time, or when the call is cancelled") {
  const auto before = std::chrono::steady_clock::now();
  services.sleep_until(nullptr, monotonic(std::chrono::milliseconds(5)));
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(5));
  services.sleep_until(nullptr, 0);  // long gone

  TwoLayers layers;
  const auto chain = layers.open();
  std::promise<void> sleeps;
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    sleeps.set_value();
    return services.sleep_until(nullptr, UINT64_MAX), 0;
  };
  auto call = std::async(std::launch::async, [&] {
    ashlar_io io = request(ASHLAR_OP_READ);
    return chain->process(io);
  });
  sleeps.get_future().get();
  layers.gone = true;
  CHECK(call.get() == 0);
}

TEST_CASE("a layer is told what it is opened for, and who asks; on trial there is nobody") {
  TwoLayers layers;
  std::vector<const ashlar_client*> clients;
  std::vector<std::uint32_t> purposes;
  layers.plugin.open_how = [&](const ashlar_open& how) {
    clients.push_back(how.client);
    purposes.push_back(how.purpose);
    return 0;
  };
  const auto chain = layers.open();
  CHECK(clients == std::vector<const ashlar_client*>{nullptr, &somebody});
  CHECK(purposes == std::vector<std::uint32_t>{ASHLAR_OPEN_ON_TRIAL, ASHLAR_OPEN_FOR_CLIENT});
}

TEST_CASE("a server that stops cancels what no client waits for") {
  const auto activity = Activity::make();
  FakeModule plugin{ModuleKind::plugin, "disk"};
  std::vector<std::int32_t> cancelled;
  const auto look = [&] { cancelled.push_back(services.cancelled(nullptr)); };
  plugin.create_how = [&](const ashlar_create&, ashlar_layer&) {
    look();
    activity->stop();
    look();
  };
  CHECK_THROWS_AS(FakeExport({&plugin}, {.activity = activity}), Stopped);
  CHECK(cancelled == std::vector<std::int32_t>{0, 1});
}

TEST_CASE("a device whose table of replies is not whole is at fault") {
  TwoLayers layers;
  static ashlar_replied told;
  told = {sizeof told, 0, nullptr, [](void*, std::uint64_t, std::int32_t) noexcept {}};
  SECTION("too short") { told.struct_size = offsetof(ashlar_replied, replied); }
  SECTION("reserved") { told.reserved = 1; }
  SECTION("without a function") { told.replied = nullptr; }
  layers.plugin.spoil = [](ashlar_device& device) {
    device.extension = [](void*, const char* id) noexcept -> const void* {
      return std::string_view(id) == ASHLAR_REPLIED_ID ? &told : nullptr;
    };
  };
  CHECK_THROWS_WITH(layers.open(), Catch::Contains("its ashlar.replied/1 is not whole"));
}

TEST_CASE("a layer can end its client's connection; on trial there is none") {
  TwoLayers layers;
  std::vector<const void*> given;
  layers.plugin.open_how = [&](const ashlar_open& how) {
    return given.push_back(how.extension(how.self, ASHLAR_DISCONNECT_ID)), 0;
  };
  const auto chain = layers.open();
  REQUIRE(given.size() == 2);
  CHECK(given.front() == nullptr);
  REQUIRE(given.back() != nullptr);
  const auto& service = *static_cast<const ashlar_disconnect*>(given.back());
  service.disconnect(service.self);
  CHECK(layers.disconnected == 1);
}

namespace {

// The filter asks for the service, and reopens what is below whenever a request has failed there; once.
struct Reopening : TwoLayers {
  std::atomic<const ashlar_reopen*> service{nullptr};
  std::atomic<int> opened{0};
  std::string said;  // of the last reopen

  Reopening() {
    plugin.geometry.flags = ASHLAR_NOWAIT | ASHLAR_MAY_LEND;
    filter.geometry.flags = ASHLAR_NOWAIT | ASHLAR_MAY_LEND;
    plugin.open_how = [this](const ashlar_open&) { return ++opened, 0; };
    plugin.journal = &journal;
    filter.open_how = [this](const ashlar_open& how) {
      service = static_cast<const ashlar_reopen*>(how.extension(how.self, ASHLAR_REOPEN_ID));
      return 0;
    };
    filter.process = [this](ashlar_io& io, const ashlar_open& how) {
      const int status = how.next->process(how.next->self, &io);
      if (status != EIO) return status;
      return reopen() == 0 ? how.next->process(how.next->self, &io) : status;
    };
  }
  std::uint64_t generation() const { return service.load()->generation(service.load()->self); }
  int reopen() { return reopen(generation()); }
  int reopen(std::uint64_t seen) {
    char text[200] = "";
    ashlar_error error{sizeof error, -1, text, sizeof text};
    const int status = service.load()->reopen(service.load()->self, seen, &error);
    said = text;
    return status;
  }
};

}  // namespace

TEST_CASE("a filter can have the layers below opened anew, and goes on with the new ones") {
  Reopening layers;
  const auto chain = layers.open();
  const int before = layers.opened;
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return layers.opened == before ? EIO : 0; };
  layers.journal.take();
  ashlar_io io = request(ASHLAR_OP_READ);
  CHECK(chain->process(io) == 0);
  CHECK(layers.journal.take() == Lines{"close disk", "open disk", "describe disk"});
  CHECK((chain->geometry().flags & Flag::lending) == Flag::none);  // what was lent is gone then
}

TEST_CASE("layers that cannot be opened anew fail what reaches them, until they can") {
  Reopening layers;
  const auto chain = layers.open();
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) { return 0; };
  SECTION("open fails") {
    layers.plugin.open_how = [](const ashlar_open&) { return ENOENT; };
    CHECK(layers.reopen() == ENOENT);
  }
  SECTION("they offer less than before") {
    layers.plugin.geometry.bytes -= 512;
    CHECK(layers.reopen() == EIO);
    CHECK_THAT(layers.said, Catch::Contains("offers less than before"));
    layers.plugin.geometry.bytes += 512;
  }
  ashlar_io io = request(ASHLAR_OP_READ);
  layers.plugin.open_how = [](const ashlar_open&) { return ENOENT; };
  CHECK(chain->process(io) == EIO);
  layers.plugin.open_how = {};
  CHECK(chain->process(io) == 0);
}

TEST_CASE("of many requests that have failed together one has the layers opened anew") {
  Reopening layers;
  const auto chain = layers.open();
  const std::uint64_t seen = layers.generation();
  const int before = layers.opened;
  CHECK(layers.reopen(seen) == 0);
  CHECK(layers.generation() == seen + 1);
  CHECK(layers.reopen(seen) == 0);
  CHECK(layers.opened == before + 1);
  layers.plugin.open_how = [](const ashlar_open&) { return ENOENT; };
  CHECK(layers.reopen(seen + 1) == ENOENT);
  layers.plugin.open_how = [&](const ashlar_open&) { return ++layers.opened, 0; };
  CHECK(layers.reopen(seen) == 0);  // as they are closed since
  CHECK(layers.opened == before + 2);
}

TEST_CASE("layers that are larger when they are opened anew take the place if the old size is made of whole blocks") {
  Reopening layers;
  const auto [size, status] = GENERATE(table<std::uint64_t, int>({{4096, 0}, {4096 + 512, EIO}}));
  layers.plugin.geometry.minimum = layers.plugin.geometry.preferred = 4096;
  layers.plugin.geometry.bytes = size;
  const auto chain = layers.open();
  layers.plugin.geometry.bytes = 16384;
  CHECK(layers.reopen() == status);
}

TEST_CASE(
    "a request that must not block is told of with the layer that it has reached, also where layers are exchanged") {
  Reopening layers;
  std::vector<std::string> said;
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    for (const Activity::UnderWay& call : (*layers.made)->activity().under_way()) said.push_back(call.layer);
    return 0;
  };
  const auto chain = layers.open();
  ashlar_io io = request(ASHLAR_OP_READ, GENERATE(std::uint64_t{0}, ASHLAR_NOWAIT));
  CHECK(chain->process(io) == 0);
  CHECK(said == std::vector<std::string>{"plugin \"disk\""});
}

TEST_CASE("layers are opened anew when no request is under way in them, and others wait") {
  Reopening layers;
  const auto chain = layers.open();
  std::promise<void> inside, release;
  std::atomic<int> under_way{0}, closed_under{0};
  std::atomic<bool> first{true};
  layers.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    ++under_way;
    if (first.exchange(false)) {
      inside.set_value();
      release.get_future().get();
    }
    --under_way;
    return 0;
  };
  layers.plugin.close = [&] { closed_under += under_way; };
  const auto read = [&] {
    ashlar_io io = request(ASHLAR_OP_READ);
    return chain->process(io);
  };
  auto slow = std::async(std::launch::async, read);
  inside.get_future().get();
  auto reopens = std::async(std::launch::async, [&] { return layers.reopen(); });
  ashlar_io nowait = request(ASHLAR_OP_READ, ASHLAR_NOWAIT);
  while (chain->process(nowait) != EAGAIN) std::this_thread::yield();
  auto waits = std::async(std::launch::async, read);
  release.set_value();
  CHECK(slow.get() == 0);
  CHECK(reopens.get() == 0);
  CHECK(waits.get() == 0);
  CHECK(chain->process(nowait) == 0);
  CHECK(closed_under == 0);
}

TEST_CASE("the service is for filters, and asked for within open") {
  TwoLayers layers;
  std::vector<const void*> given;
  ashlar_open later{};
  layers.plugin.open_how = [&](const ashlar_open& how) {
    return given.push_back(how.extension(how.self, ASHLAR_REOPEN_ID)), 0;
  };
  layers.filter.open_how = [&](const ashlar_open& how) { return later = how, 0; };
  const auto chain = layers.open();
  CHECK(given == std::vector<const void*>{nullptr, nullptr});
  CHECK(later.extension(later.self, ASHLAR_REOPEN_ID) == nullptr);
  CHECK(later.extension(later.self, "ashlar.no-such-thing/1") == nullptr);
}

TEST_CASE("layers that want it are told of replies, from the top down") {
  TwoLayers layers;
  struct Told {
    Journal* journal;
    const char* name;
    ashlar_replied table{
        sizeof table, 0, this, [](void* self, std::uint64_t id, std::int32_t status) noexcept {
          auto& me = *static_cast<Told*>(self);
          me.journal->add(std::string(me.name) + " " + std::to_string(id) + " " + std::to_string(status));
        }};
  };
  static Told top{nullptr, "top"}, disk{nullptr, "disk"};
  top.journal = disk.journal = &layers.journal;
  CHECK_FALSE(layers.open()->wants_replies());
  layers.filter.spoil = [](ashlar_device& device) {
    device.extension = [](void*, const char* id) noexcept -> const void* {
      return std::string_view(id) == ASHLAR_REPLIED_ID ? &top.table : nullptr;
    };
  };
  layers.plugin.spoil = [](ashlar_device& device) {
    device.extension = [](void*, const char* id) noexcept -> const void* {
      return std::string_view(id) == ASHLAR_REPLIED_ID ? &disk.table : nullptr;
    };
  };
  const auto chain = layers.open();
  CHECK(chain->wants_replies());
  chain->replied(5, EIO);
  CHECK(layers.journal.take() == Lines{"top 5 5", "disk 5 5"});
}

}  // namespace ashlar::host
