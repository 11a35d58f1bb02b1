#include "spawn/command_variables.hpp"

#include "unit/matchers.hpp"

using namespace ashlar::host;

namespace {

std::string told(const std::vector<std::string>& addresses, bool by_tls = false) {
  std::string text;
  for (const auto& [name, value] : command_variables(addresses, by_tls)) text += name + "=" + value + ";";
  return text;
}

}  // namespace

TEST_CASE("a command finds the server at its first unix socket, else by tcp") {
  CHECK(told({"unix:/run/a.sock"}) == "uri=nbd+unix:///?socket=/run/a.sock;unixsocket=/run/a.sock;port=;");
  CHECK(told({"tcp:127.0.0.1:1"}) == "uri=nbd://127.0.0.1:1/;unixsocket=;port=1;");
  CHECK(told({"tcp:[::1]:2", "tcp:127.0.0.1:1"}) == "uri=nbd://[::1]:2/;unixsocket=;port=2;");
  CHECK(told({"tcp:[::1]:2", "unix:/b", "unix:/a"}) == "uri=nbd+unix:///?socket=/b;unixsocket=/b;port=2;");
}

TEST_CASE("no URI leads to an abstract socket") {
  CHECK(told({"unix:@a"}) == "uri=;unixsocket=;port=;");
  CHECK(told({"unix:@a", "tcp:127.0.0.1:1"}) == "uri=nbd://127.0.0.1:1/;unixsocket=;port=1;");
}

TEST_CASE("a server that listens everywhere is found on this machine") {
  CHECK(told({"tcp:0.0.0.0:1"}) == "uri=nbd://localhost:1/;unixsocket=;port=1;");
  CHECK(told({"tcp:[::]:1"}) == "uri=nbd://localhost:1/;unixsocket=;port=1;");
}

TEST_CASE("what a URI cannot hold is encoded in it, and in it alone") {
  CHECK(told({"unix:/a b%?&\xc3\xbc"}) ==
        "uri=nbd+unix:///?socket=/a%20b%25%3F%26%C3%BC;unixsocket=/a b%?&\xc3\xbc;port=;");
}

TEST_CASE("the URI of a server that serves by TLS alone says so") {
  CHECK(told({"unix:/run/a.sock"}, true) == "uri=nbds+unix:///?socket=/run/a.sock;unixsocket=/run/a.sock;port=;");
  CHECK(told({"tcp:127.0.0.1:1"}, true) == "uri=nbds://127.0.0.1:1/;unixsocket=;port=1;");
}
