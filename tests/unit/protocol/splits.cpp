// However the network cuts a stream, the answers are the same.
#include "scripts.hpp"

using namespace ashlar::protocol;
using namespace ashlar::protocol::test;

TEST_CASE("splits: byte by byte and in any two parts, the outcome is the same") {
  for (const std::string& script : scripts()) {
    const Outcome whole = talk(script);
    FakeCatalog catalog;
    Talk by_byte(catalog);
    for (char c : script) by_byte.offer(std::string_view(&c, 1));
    CHECK(by_byte.outcome() == whole);
    for (std::size_t i = 0; i <= script.size(); ++i) {
      CAPTURE(i);
      FakeCatalog another;
      Talk in_two(another);
      in_two.offer(std::string_view(script).substr(0, i));
      const Outcome half = in_two.outcome();
      CHECK(whole.output.starts_with(half.output));
      CHECK(half.consumed <= i);
      in_two.offer(std::string_view(script).substr(i));
      CHECK(in_two.outcome() == whole);
    }
  }
}

TEST_CASE("splits: a stream that breaks off leaves the handshake talking") {
  const std::string script = client_flags() + option(8) + option(7, info_data("disk", {1, 3}));
  for (std::size_t n = 0; n < script.size(); ++n) {
    const Outcome out = talk(std::string_view(script).substr(0, n));
    CHECK(out.state == Handshake::State::talking);
    CHECK_FALSE(out.overran);
  }
  CHECK(talk(script).state == Handshake::State::transmission);
}
