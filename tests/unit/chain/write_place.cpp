// The place of the one client at a time that may write.
#include "chain/write_place.hpp"

#include <atomic>
#include <thread>

#include "catch.hpp"

namespace ashlar::host {
namespace {

struct Client final : WritePlace::Holder {
  explicit Client(const char* name) : name_(name) {}
  std::string who() const override { return name_; }
  bool leaves() const override { return gone; }
  std::atomic<bool> gone{false};

 private:
  const std::string name_;
};

const WritePlace::Patience for_ever = [] { return true; };
const WritePlace::Patience never = [] { return false; };

}  // namespace

TEST_CASE("write place: one has it, until he gives it back") {
  WritePlace place;
  const Client first("first"), second("second");
  CHECK(place.taken_by().empty());
  CHECK(place.is_free(for_ever));
  CHECK(place.take(first, for_ever));
  CHECK(place.taken_by() == "first");
  CHECK_FALSE(place.is_free(for_ever));
  CHECK_FALSE(place.take(second, for_ever));
  CHECK(place.taken_by() == "first");
  place.give_back();
  CHECK(place.taken_by().empty());
  CHECK(place.take(second, for_ever));
  CHECK(place.taken_by() == "second");
}

TEST_CASE("write place: whoever leaves is waited for") {
  WritePlace place;
  Client first("first");
  const Client second("second");
  REQUIRE(place.take(first, never));
  first.gone = true;
  std::atomic<bool> waits{false};
  std::thread leaves([&] {
    while (!waits) std::this_thread::yield();
    place.give_back();
  });
  CHECK(place.take(second, [&] {
    waits = true;
    return true;
  }));
  leaves.join();
  CHECK(waits);
  CHECK(place.taken_by() == "second");
}

TEST_CASE("write place: nobody waits longer than he wants to, nor for who comes back") {
  WritePlace place;
  Client first("first");
  const Client second("second");
  REQUIRE(place.take(first, never));
  first.gone = true;
  CHECK_FALSE(place.take(second, never));
  CHECK_FALSE(place.is_free(never));
  CHECK(place.taken_by() == "first");
  CHECK_FALSE(place.take(second, [&] {
    first.gone = false;
    return true;
  }));
}

}  // namespace ashlar::host
