// Addresses and networks: how they are written, and which address is in which network.
#include "access/network.hpp"

#include "unit/matchers.hpp"

using namespace ashlar::host;

namespace {

bool within(const std::string& network, const std::string& address) {
  const auto parsed = parse_ip_address(address);
  REQUIRE(parsed);
  return parse_network(network).contains(*parsed);
}

std::string refusal(const std::string& text) {
  try {
    parse_network(text);
    return "";
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("network: a single address contains itself alone") {
  CHECK(within("10.0.0.7", "10.0.0.7"));
  CHECK_FALSE(within("10.0.0.7", "10.0.0.6"));
  CHECK(within("2001:db8::1", "2001:DB8:0:0::1"));
  CHECK_FALSE(within("2001:db8::1", "2001:db8::2"));
}

TEST_CASE("network: a prefix counts in bits") {
  CHECK(within("10.0.0.0/8", "10.255.255.255"));
  CHECK_FALSE(within("10.0.0.0/8", "11.0.0.0"));
  CHECK(within("192.168.4.0/23", "192.168.5.255"));
  CHECK_FALSE(within("192.168.4.0/23", "192.168.6.0"));
  CHECK(within("10.0.0.6/31", "10.0.0.7"));
  CHECK_FALSE(within("10.0.0.6/32", "10.0.0.7"));
  CHECK(within("0.0.0.0/0", "255.255.255.255"));
  CHECK(within("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(within("2001:db8::/33", "2001:db8:8000::1"));
  CHECK_FALSE(within("2001:db8::/128", "2001:db8::1"));
}

TEST_CASE("network: bits behind the prefix mean nothing") {
  CHECK(within("10.1.2.3/8", "10.9.9.9"));
  CHECK(within("fe80::1/10", "fe80::2"));
}

TEST_CASE("network: IPv4 and IPv6 are apart, but an IPv4 address within an IPv6 one is IPv4") {
  CHECK_FALSE(within("0.0.0.0/0", "::1"));
  CHECK_FALSE(within("::/0", "127.0.0.1"));
  CHECK(within("10.0.0.0/8", "::ffff:10.0.0.7"));
  CHECK_FALSE(within("::/0", "::ffff:10.0.0.7"));
  CHECK(within("::ffff:10.0.0.7", "10.0.0.7"));
  CHECK(within("::ffff:10.0.0.0/104", "10.255.0.1"));
  CHECK_FALSE(within("::ffff:10.0.0.0/104", "11.0.0.1"));
}

TEST_CASE("network: what is no address is refused, with what to write") {
  for (const char* text : {"", "host1", "10.0.0", "10.0.0.256", "10.0.0.7 ", "1:2", "[::1]", "fe80::1%eth0", "/8",
                           "tcp:10.0.0.7", "10.0.0.7:10809", "010.0.0.7x"}) {
    INFO(text);
    CHECK_THAT(refusal(text), ContainsSubstring("is no address; write one such as"));
  }
  CHECK_THAT(refusal(std::string("10.0.0.7\0x", 10)), ContainsSubstring("is no address"));
  CHECK_FALSE(parse_ip_address("host1"));
  CHECK_FALSE(parse_ip_address("10.0.0.0/8"));
}

TEST_CASE("network: a prefix that is none is refused, with its range") {
  CHECK(refusal("10.0.0.0/33") == R"("33" is not the length of a prefix; give 0 to 32)");
  CHECK(refusal("::/129") == R"("129" is not the length of a prefix; give 0 to 128)");
  for (const char* text : {"10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0", "::/1x"}) {
    INFO(text);
    CHECK_THAT(refusal(text), ContainsSubstring("is not the length of a prefix"));
  }
}
