#include "config/listen_address.hpp"

#include <stdexcept>

#include "unit/matchers.hpp"

using namespace ashlar::host;

namespace {

ListenAddress parse(std::string_view text) { return parse_listen_address(text, "/etc/ashlar"); }

std::string refusal(std::string_view text) {
  try {
    parse(text);
    return "accepted";
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

void check_tcp(std::string_view text, const std::string& host, std::uint16_t port) {
  INFO(text);
  const ListenAddress address = parse(text);
  CHECK(address.kind == ListenAddress::Kind::tcp);
  CHECK(address.text == text);
  CHECK(address.host == host);
  CHECK(address.port == port);
}

}  // namespace

TEST_CASE("tcp addresses") {
  check_tcp("tcp:127.0.0.1:10809", "127.0.0.1", 10809);
  check_tcp("tcp:[::1]:10809", "::1", 10809);
  check_tcp("tcp:[fe80::1%eth0]:1", "fe80::1%eth0", 1);
  check_tcp("tcp:localhost:10809", "localhost", 10809);
  check_tcp("tcp::10809", "", 10809);
  check_tcp("tcp:disk-1.example.org:65535", "disk-1.example.org", 65535);
  check_tcp("tcp:127.0.0.1:0", "127.0.0.1", 0);
}

TEST_CASE("unix addresses: a relative path counts from the folder") {
  CHECK(parse("unix:/run/ashlar.sock").kind == ListenAddress::Kind::unix_socket);
  CHECK(parse("unix:/run/ashlar.sock").path == "/run/ashlar.sock");
  CHECK(parse("unix:a.sock").path == "/etc/ashlar/a.sock");
  CHECK(parse("unix:../a.sock").path == "/etc/a.sock");
  CHECK(parse("unix:../a.sock").text == "unix:../a.sock");
}

TEST_CASE("abstract unix addresses have a name and no path") {
  const ListenAddress address = parse("unix:@a/b c");
  CHECK(address.kind == ListenAddress::Kind::unix_socket);
  CHECK(address.abstract_name == "a/b c");
  CHECK(address.path.empty());
  CHECK(parse("unix:./@a").path == "/etc/ashlar/@a");
  CHECK(parse("unix:@" + std::string(106, 'x')).abstract_name.size() == 106);
  CHECK(refusal("unix:@" + std::string(107, 'x')) ==
        "\"unix:@" + std::string(107, 'x') + "\" has a name of 107 bytes; the most is 106: choose a shorter one");
}

TEST_CASE("a unix path may be as long as the kernel takes and no longer") {
  CHECK(parse("unix:/" + std::string(106, 'x')).path.native().size() == 107);
  CHECK(refusal("unix:/" + std::string(107, 'x')) ==
        "\"unix:/" + std::string(107, 'x') +
            "\" is 108 bytes long as a full path; the kernel takes 107: choose a shorter one");
  CHECK_THAT(refusal("unix:" + std::string(96, 'x')), ContainsSubstring("is 108 bytes long as a full path"));
}

TEST_CASE("sockets that are handed over have the names that systemd lets them have") {
  CHECK(parse("fd:nbd").kind == ListenAddress::Kind::handed);
  CHECK(parse("fd:ashlar.socket").handed_name == "ashlar.socket");
  CHECK(parse("fd:~ a").handed_name == "~ a");
  CHECK(parse("fd:" + std::string(255, 'x')).handed_name.size() == 255);
  CHECK_THAT(refusal("fd:" + std::string(256, 'x')), ContainsSubstring("has no valid name of a socket"));
  CHECK(same_address(parse("fd:a"), parse("fd:a")));
  CHECK_FALSE(same_address(parse("fd:a"), parse("fd:b")));
  CHECK_FALSE(same_address(parse("fd:a"), parse("unix:a")));
}

TEST_CASE("what is no address is refused with what to do") {
  struct Refused {
    const char* text;
    const char* why;
  };
  const Refused all[] = {
      {"", "is not an address; write tcp:HOST:PORT, unix:PATH or fd:NAME"},
      {"127.0.0.1:10809", "is not an address; write tcp:HOST:PORT, unix:PATH or fd:NAME"},
      {"TCP:127.0.0.1:10809", "is not an address"},
      {"tcp:", "has no port; write tcp:HOST:PORT"},
      {"tcp:10809", "has no port; write tcp:HOST:PORT"},
      {"tcp:localhost:", "has no valid port; end it with :PORT, 0 to 65535"},
      {"tcp:localhost:65536", "has no valid port"},
      {"tcp:localhost:-1", "has no valid port"},
      {"tcp:localhost:nbd", "has no valid port"},
      {"tcp:localhost:1 ", "has no valid port"},
      {"tcp:::1:10809", "has an IPv6 address without [ ]; write tcp:[::1]:10809"},
      {"tcp:[::1]", "has no \"]:PORT\" at its end"},
      {"tcp:[::1:10809", "has no \"]:PORT\" at its end"},
      {"tcp:[]:10809", "has no valid IPv6 address in [ ]"},
      {"tcp:[localhost]:10809", "has no valid IPv6 address in [ ]"},
      {"tcp:[fe80::1%a b]:1", "has no valid IPv6 address in [ ]"},
      {"tcp:*:10809", "has a *; leave the host empty for all addresses: tcp::10809"},
      {"tcp:999.0.0.1:10809", "has no valid host"},
      {"tcp:127.1:10809", "has no valid host"},
      {"tcp:a b:10809", "has no valid host"},
      {"tcp://localhost:10809", "has no valid host"},
      {"unix:", "has no path; write unix:/path/of/socket"},
      {"unix:/run/", "names a folder"},
      {"unix:@", "has no name; write unix:@NAME"},
      {"fd:", "has no name; write fd:NAME"},
      {"fd:a:b", "has no valid name of a socket"},
      {"fd:a\nb", "has no valid name of a socket"},
      {"fd:\xc3\xbc", "has no valid name of a socket"},
  };
  for (const Refused& one : all) {
    INFO(one.text);
    CHECK_THAT(refusal(one.text), ContainsSubstring(one.why));
  }
  CHECK_THAT(refusal(std::string_view("unix:/a\0b", 9)), ContainsSubstring("has a NUL character"));
  CHECK_THAT(refusal(std::string_view("tcp:a\0b:1", 9)), ContainsSubstring("has no valid host"));
  CHECK_THAT(refusal("tcp:" + std::string(254, 'a') + ":1"), ContainsSubstring("has no valid host"));
}

TEST_CASE("the same port or socket, however it is written") {
  const auto same = [](std::string_view a, std::string_view b) { return same_address(parse(a), parse(b)); };
  CHECK(same("tcp:127.0.0.1:1", "tcp:127.0.0.1:1"));
  CHECK(same("tcp:LOCALHOST:1", "tcp:localhost:1"));
  CHECK(same("tcp:[::1]:1", "tcp:[0:0:0:0:0:0:0:1]:1"));
  CHECK(same("unix:a", "unix:/etc/ashlar/./a"));
  CHECK_FALSE(same("tcp:127.0.0.1:1", "tcp:127.0.0.1:2"));
  CHECK_FALSE(same("tcp:127.0.0.1:1", "tcp:127.0.0.2:1"));
  CHECK_FALSE(same("tcp:127.0.0.1:0", "tcp:127.0.0.1:0"));
  CHECK_FALSE(same("tcp:[::1]:1", "tcp:[::2]:1"));
  CHECK_FALSE(same("tcp:[fe80::1%a]:1", "tcp:[fe80::1%b]:1"));
  CHECK_FALSE(same("unix:a", "unix:b"));
  CHECK(same("unix:@a", "unix:@a"));
  CHECK_FALSE(same("unix:@a", "unix:@b"));
  CHECK_FALSE(same("unix:@a", "unix:a"));
}
