// The parts of the plugin nbd that need no server, and what it says of parameters (plugins/nbd/README.md).
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <thread>
#include <utility>

#include "../filters/bench.hpp"
#include "../random_model.hpp"
#include "catch.hpp"
#include "coverage.hpp"
#include "facts.hpp"
#include "handle.hpp"
#include "losses.hpp"
#include "scratch.hpp"
#include "star.hpp"
#include "uri.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

namespace {

std::string mistake(const std::string& uri) {
  try {
    parse_uri(uri);
  } catch (const BadParameter& e) {
    return e.what();
  }
  return "";
}

Facts plain() {
  return {.size = 1 << 20,
          .ops = Op::read | Op::write | Op::flush,
          .fua = true,
          .minimum = 512,
          .preferred = 4096,
          .maximum = 1 << 20};
}

}  // namespace

TEST_CASE("nbd: what a URI says") {
  const Uri tcp = parse_uri("nbd://example.org:10810/a%2Fb%25");
  CHECK(tcp.host == "example.org");
  CHECK(tcp.port == "10810");
  CHECK(tcp.export_name == "a/b%");
  CHECK_FALSE(tcp.tls);
  CHECK(parse_uri("nbd://example.org").port == "10809");
  CHECK(parse_uri("NBD://example.org/").export_name.empty());
  const Uri v6 = parse_uri("nbds://alice@[2001:db8::1]:7/x");
  CHECK(v6.host == "2001:db8::1");
  CHECK(v6.port == "7");
  CHECK(v6.user == "alice");
  CHECK(v6.tls);
  const Uri local = parse_uri("nbd+unix:///x?socket=/run/a%20b.sock");
  CHECK(local.socket == "/run/a b.sock");
  CHECK(local.export_name == "x");
  CHECK(parse_uri("nbds+unix://?socket=/s").tls);
}

TEST_CASE("nbd: a URI that is not understood is refused, whatever else it says") {
  for (const auto& [uri, said] : std::initializer_list<std::pair<const char*, const char*>>{
           {"example.org", "is no URI"},
           {"http://example.org/", "none of nbd"},
           {"nbd+vsock://1/", "none of nbd"},
           {"nbd:///x", "names no host"},
           {"nbd+unix:///x", "names no unix socket"},
           {"nbd+unix:///x?socket=run/s", "does not begin with /"},
           {"nbd+unix://host/x?socket=/s", "has a host"},
           {"nbd://host/x?socket=/s", "its scheme is nbd+unix"},
           {"nbd://host:0/", "port \"0\""},
           {"nbd://host:65536/", "port \"65536\""},
           {"nbd://host:80x/", "port \"80x\""},
           {"nbd://[::1/", "without a ]"},
           {"nbd://[::1]x/", "between ] and the port"},
           {"nbd://host/%2", "has a %"},
           {"nbd://host/%zz", "has a %"},
           {"nbd://host/a%00b", "has a %"},
           {"nbd://host/#x", "has a #"},
           {"nbd://a:sesame@host/", "holds a password"},
           {"nbds://host/?tls-certificates=/x", "write certificates"},
           {"nbds://host/?tls-psk-file=/x", "write psk"},
           {"nbds://host/?tls-verify-peer=false", "write verify"},
           {"nbd://host/?colour=red", "\"colour\""}}) {
    CAPTURE(uri);
    CHECK(mistake(uri).find(said) != std::string::npos);
    CHECK(mistake(uri).find("sesame") == std::string::npos);
  }
}

TEST_CASE("nbd: a read is covered when all of it has come, in whatever order") {
  Coverage of;
  of.begin(100, 50);
  CHECK_FALSE(of.complete());
  of.add(100, 20);
  CHECK_FALSE(of.complete());
  of.add(120, 30);
  CHECK(of.complete());
  of.begin(100, 50);
  of.add(140, 10);
  of.add(120, 20);
  CHECK_FALSE(of.complete());
  of.add(100, 20);
  CHECK(of.complete());
  of.begin(0, 50);  // as many bytes as wanted, and a hole
  of.add(0, 20);
  of.add(0, 20);
  of.add(40, 10);
  CHECK_FALSE(of.complete());
}

TEST_CASE("nbd: a loss is told when something was written and not flushed") {
  Losses of;
  CHECK_FALSE(of.lost());
  of.changed();
  CHECK(of.unflushed());
  of.flushed(of.covered());
  CHECK_FALSE(of.unflushed());
  CHECK_FALSE(of.lost());
  CHECK(of.tell() == 0);
  of.changed();
  const std::uint64_t covered = of.covered();
  of.changed();  // behind the flush's beginning
  of.flushed(covered);
  CHECK(of.lost());
  CHECK_FALSE(of.lost());  // over another connection, at the same time
  CHECK(of.told() == 0);   // who comes now is told, too
  CHECK(of.untold());
  CHECK(of.tell() == 1);
  CHECK_FALSE(of.untold());
  CHECK(of.told() == 1);
}

TEST_CASE("nbd: what the star of a template stands for in a name") {
  CHECK(star_in("*", "a") == "a");
  CHECK(star_in("a*c", "abc") == "b");
  CHECK(star_in("a*", "ab*") == "b*");
  CHECK(star_in("*-*", "ab-ab") == "ab");
  for (const auto& [pattern, name] : std::initializer_list<std::pair<const char*, const char*>>{{"a", "a"},
                                                                                                {"", ""},
                                                                                                {"*", ""},
                                                                                                {"a*", "a"},
                                                                                                {"a*", "ba"},
                                                                                                {"*a", "ab"},
                                                                                                {"ab*ba", "aba"},
                                                                                                {"ab*ba", "abba"},
                                                                                                {"*-*", "a-b"},
                                                                                                {"*-*", "ab-a"}}) {
    CAPTURE(pattern);
    CHECK(star_in(pattern, name).empty());
  }
}

TEST_CASE("nbd: what a server may be") {
  CHECK(fault_of(plain()).empty());
  Facts other = plain();
  other.size = std::uint64_t{1} << 63;
  CHECK(fault_of(other).find("longer than any disk") != std::string::npos);
  for (const std::uint64_t minimum : {3u, 131072u}) {
    other = plain();
    other.minimum = minimum;
    CHECK(fault_of(other).find("minimum block size") != std::string::npos);
  }
  other = plain();
  other.maximum = 256;
  CHECK(fault_of(other).find("maximum block size") != std::string::npos);
}

TEST_CASE("nbd: a server that comes back can do no less than before") {
  CHECK(fault_of_change(plain(), plain()).empty());
  Facts now = plain();
  now.size += 1;
  now.ops |= Op::trim;
  now.minimum = 1;
  now.maximum = 0;
  CHECK(fault_of_change(plain(), now).empty());
  const auto fault = [](auto change) {
    Facts worse = plain();
    change(worse);
    return fault_of_change(plain(), worse);
  };
  CHECK(fault([](Facts& f) { f.size = 1000; }) == "it had 1048576 bytes and has 1000");
  CHECK(fault([](Facts& f) { f.read_only = true; }).find("only be read") != std::string::npos);
  CHECK(fault([](Facts& f) { f.ops = Op::read | Op::write; }).find("no longer has flush") != std::string::npos);
  CHECK(fault([](Facts& f) { f.fua = false; }).find("FUA") != std::string::npos);
  CHECK(fault([](Facts& f) { f.minimum = 4096; }).find("minimum block size") != std::string::npos);
  CHECK(fault([](Facts& f) { f.maximum = 65536; }).find("maximum block size") != std::string::npos);
}

TEST_CASE("nbd: a server's sizes become some that may be told") {
  Geometry g = geometry_of(plain(), false, 64);
  CHECK(g.minimum == 512);
  CHECK(g.preferred == 4096);
  CHECK(g.maximum == 1 << 20);
  CHECK(g.flags.has(Flag::fua));
  CHECK_FALSE(g.flags.has(Flag::fast));
  Facts odd = plain();
  odd.preferred = 5000;
  odd.maximum = UINT32_MAX;
  g = geometry_of(odd, false, 64);
  CHECK(g.preferred == 4096);
  CHECK(g.maximum == 64 << 20);
  odd.preferred = std::uint64_t{1} << 40;
  odd.minimum = odd.maximum = 0;
  g = geometry_of(odd, true, 64);
  CHECK(g.minimum == 1);
  CHECK(g.preferred == 32 << 20);
  CHECK(g.maximum == 32 << 20);
  CHECK(g.read_only);
  CHECK_FALSE(g.ops.has(Op::write));
}

TEST_CASE("nbd: refuses parameters that make no sense, and names them") {
  const Scratch scratch;
  FakeHost host;
  const auto refused = [&](const Given& given) -> std::string {
    try {
      const TestLayer layer(own_module(), host, given);
      layer.open();
    } catch (const Refused& r) {
      return r.what();
    }
    return "";
  };
  const auto says = [&](const Given& given, const char* text) {
    CAPTURE(text);
    const std::string said = refused(given);
    CAPTURE(said);
    CHECK(said.find(text) != std::string::npos);
  };
  const std::pair<std::string, std::string> tcp{"uri", "nbd://127.0.0.1:1/"}, tls{"uri", "nbds://127.0.0.1:1/"};
  const std::pair<std::string, std::string> local{"uri", "nbds+unix:///?socket=" + scratch.path("s")};
  std::ofstream(scratch.path("ca-cert.pem")) << "x";
  const std::pair<std::string, std::string> certificates{"certificates", scratch.path("")};
  says({}, "where is the server?");
  says({tcp, {"command", "true"}}, "exclude each other");
  says({{"command", "no-such-program"}}, "there is no program no-such-program");
  says({{"command", scratch.path("ca-cert.pem")}}, "is no program that can be started");
  says({{"uri", "nbd://127.0.0.1:1/x"}, {"export", "y"}}, "names an export already");
  const std::string name(4097, 'x');
  says({tcp, {"export", name}}, "more than 4096 bytes");
  says({{"uri", "nbd://127.0.0.1:1/" + name}}, "more than 4096 bytes");
  says({tcp, {"timeout", "0s"}}, "timeout = \"0s\" is no time");
  says({tcp, {"psk", "/x"}}, "psk needs tls");
  says({tcp, {"verify", "false"}}, "verify = false needs tls");
  says({tls, {"tls", "off"}}, "goes with tls");
  says({tls}, "whom is to be trusted?");
  says({tls, {"psk", "/x"}}, "psk needs user");
  says({tls, {"psk", "/not/there"}, {"user", "a"}}, "/not/there cannot be read");
  says({tls, {"certificates", "/not/there"}}, "/not/there/ca-cert.pem cannot be read");
  says({local, certificates}, "server_name = \"localhost\"");
  says({tls, {"verify", "false"}, {"server_name", "x"}}, "server_name is for certificates");
  says({tcp}, "nbd://127.0.0.1:1/ cannot be reached: Connection refused");
  says({local, certificates, {"server_name", "localhost"}}, "cannot be reached: No such file");
  for (const auto& [there, said] : {std::pair{"client-cert.pem", "/client-key.pem cannot be read"},
                                    {"client-key.pem", "/client-cert.pem cannot be read"}}) {
    std::ofstream(scratch.path(there)) << "x";
    says({local, certificates, {"server_name", "localhost"}}, said);
    std::filesystem::remove(scratch.path(there));
  }
}

namespace {

bool has_nbdkit() { return ::access("/usr/bin/nbdkit", X_OK) == 0; }

// The program that the module has started last, as it logs.
pid_t program(const FakeHost& host) {
  pid_t found = -1;
  for (const FakeHost::Line& line : host.lines())
    if (const std::size_t at = line.text.find("is started, process "); at != line.text.npos)
      found = std::stoi(line.text.substr(line.text.find_last_of(' ') + 1));
  return found;
}

}  // namespace

TEST_CASE("nbd: a connection that breaks while a request is sent tells why") {
  if (!has_nbdkit()) SKIP_CASE("needs nbdkit");
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const pid_t server = ::fork();
  if (server == 0) {
    ::dup2(ends[1], 0);
    ::dup2(ends[1], 1);
    ::execl("/usr/bin/nbdkit", "nbdkit", "-s", "memory", "1M", nullptr);
    ::_exit(1);
  }
  ::close(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const Values values(own_module(), {{"uri", "nbd://127.0.0.1/"}});
  const Settings settings(Params(own_module().params, {values.data(), own_module().n_params}));
  const Waker waker;
  const Patience patience(waker, std::chrono::steady_clock::now() + std::chrono::seconds(60), [] { return ""; });
  Handle handle(settings, ends[0], patience);
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  Bytes data(512);
  Request request;
  request.kind = Request::Kind::write;
  request.length = 512;
  request.data = data.data();
  static_cast<void>(handle.send(request, [](void*, int*) noexcept { return 1; }));
  CHECK(handle.is_over());
  handle.move(POLLHUP);
  CHECK(handle.why_over().find("Broken pipe") != std::string::npos);
}

TEST_CASE("nbd: random requests to a program") {
  if (!has_nbdkit()) SKIP_CASE("needs nbdkit");
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"command", "nbdkit,memory,300032"}});
  const auto device = layer.open();
  CHECK(device->geometry().multi_conn);
  Bytes into(512);
  CHECK(device->read(0, into, Flag::nowait) == Status::would_block());
  RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), Bytes(300032));
  CHECK_NOTHROW(model.run(RandomModel::operations() / 3));
}

TEST_CASE("nbd: requests of several threads, while the program is killed again and again") {
  if (!has_nbdkit()) SKIP_CASE("needs nbdkit");
  constexpr std::size_t threads = 3, block = 4096, kills = 5;
  const Scratch scratch;
  const std::string disk = scratch.file("disk", threads * block);
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"command", "nbdkit,file," + disk}, {"connections", "2"}});
  const auto device = layer.open();
  std::atomic<std::size_t> rounds[threads]{}, wrong = 0;
  std::atomic<bool> over = false;
  std::vector<std::thread> all;
  for (std::size_t i = 0; i < threads; ++i)
    all.emplace_back([&, i] {
      for (unsigned value = 1; !over; ++value) {
        const Bytes written = bytes_of(block, value);
        Bytes found(block);
        const bool well = device->write(i * block, written).ok() && device->read(i * block, found).ok();
        if (!well || found != written) ++wrong;
        static_cast<void>(device->flush());  // it may tell of a loss
        ++rounds[i];
      }
    });
  for (std::size_t n = 0; n < kills; ++n) {
    const std::size_t before[threads] = {rounds[0], rounds[1], rounds[2]};
    for (std::size_t i = 0; i < threads; ++i)
      while (rounds[i] < before[i] + 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(program(host), SIGKILL);
  }
  over = true;
  for (std::thread& one : all) one.join();
  CHECK(wrong == 0);
}
