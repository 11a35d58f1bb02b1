// The places of those who may have an export open at once.
#include "chain/places.hpp"

#include <atomic>
#include <thread>

#include "catch.hpp"

namespace ashlar::host {
namespace {

struct Client final : Places::Holder {
  explicit Client(const char* name) : name_(name) {}
  std::string who() const override { return name_; }
  bool leaves() const override { return gone; }
  std::atomic<bool> gone{false};

 private:
  const std::string name_;
};

const Places::Patience for_ever = [] { return true; };
const Places::Patience never = [] { return false; };

}  // namespace

TEST_CASE("places: one has it, until he gives it back") {
  Places place;
  const Client first("first"), second("second");
  CHECK(place.taken_by().empty());
  CHECK(place.is_free(1, for_ever));
  CHECK(place.take(first, 1, for_ever));
  CHECK(place.taken_by() == "first");
  CHECK_FALSE(place.is_free(1, for_ever));
  CHECK_FALSE(place.take(second, 1, for_ever));
  CHECK(place.taken_by() == "first");
  place.give_back(first);
  CHECK(place.taken_by().empty());
  CHECK(place.take(second, 1, for_ever));
  CHECK(place.taken_by() == "second");
}

TEST_CASE("places by name: exports of one name share them as long as one of them has them") {
  PlacesByName all;
  auto before = all.of("a");
  const Client writer("writer"), second("second");
  REQUIRE(before->of_writers.take(writer, 1, never));
  const auto after = all.of("a");
  CHECK_FALSE(after->of_writers.take(second, 1, never));
  CHECK(after->of_clients.take(second, 1, never));
  CHECK(all.of("b")->of_writers.take(second, 1, never));
  const std::weak_ptr<ExportPlaces> kept = before;
  before.reset();
  for (int i = 0; i < 1000; ++i) all.of(std::to_string(i));
  CHECK(all.of("a") == after);
  CHECK_FALSE(kept.expired());
}

TEST_CASE("places: whoever leaves is waited for") {
  Places place;
  Client first("first");
  const Client second("second");
  REQUIRE(place.take(first, 1, never));
  first.gone = true;
  std::atomic<bool> waits{false};
  std::thread leaves([&] {
    while (!waits) std::this_thread::yield();
    place.give_back(first);
  });
  CHECK(place.take(second, 1, [&] {
    waits = true;
    return true;
  }));
  leaves.join();
  CHECK(waits);
  CHECK(place.taken_by() == "second");
}

TEST_CASE("places: nobody waits longer than he wants to, nor for who comes back") {
  Places place;
  Client first("first");
  const Client second("second");
  REQUIRE(place.take(first, 1, never));
  first.gone = true;
  CHECK_FALSE(place.take(second, 1, never));
  CHECK_FALSE(place.is_free(1, never));
  CHECK(place.taken_by() == "first");
  CHECK_FALSE(place.take(second, 1, [&] {
    first.gone = false;
    return true;
  }));
}

TEST_CASE("places: there are as many as were said") {
  Places places;
  const Client first("first"), second("second"), third("third");
  CHECK(places.take(first, 2, never));
  CHECK(places.take(second, 2, never));
  CHECK_FALSE(places.take(third, 2, for_ever));
  places.give_back(first);
  CHECK(places.taken_by() == "second");
  CHECK(places.take(third, 2, for_ever));
  CHECK_FALSE(places.is_free(2, for_ever));
}

TEST_CASE("places: whoever came while there were more counts, too") {
  Places places;
  const Client first("first"), second("second"), third("third");
  CHECK(places.take(first, Places::unlimited, never));
  CHECK(places.take(second, Places::unlimited, never));
  CHECK_FALSE(places.take(third, 1, for_ever));
  places.give_back(first);
  CHECK_FALSE(places.is_free(1, for_ever));
  places.give_back(second);
  CHECK(places.take(third, 1, for_ever));
}

}  // namespace ashlar::host
