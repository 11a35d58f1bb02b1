#include "session/held_reply.hpp"

#include "catch.hpp"

namespace ashlar::host {

TEST_CASE("the reply to a large write may wait, that to anything else may not") {
  HeldReply held;
  CHECK_FALSE(held.may_wait());
  held.answered(0);
  CHECK_FALSE(held.may_wait());
  held.answered((64u << 10) - 1);
  CHECK_FALSE(held.may_wait());
  held.answered(64u << 10);
  CHECK(held.may_wait());
  held.hold();
  CHECK(held.is_held());
  held.sent();
  CHECK_FALSE(held.may_wait());
  CHECK_FALSE(held.is_held());
}

TEST_CASE("a client that waited for its reply is answered at once for a while") {
  HeldReply held;
  held.answered(1 << 20);
  REQUIRE(held.may_wait());
  held.hold();
  held.client_waited();
  for (int i = 1; i < 64; ++i) {
    held.answered(1 << 20);
    REQUIRE_FALSE(held.may_wait());
  }
  held.answered(1 << 20);
  CHECK(held.may_wait());
}

}  // namespace ashlar::host
