// What an answer of a server must say to be believed, and the plugin curl over files of this machine
// (plugins/curl/README.md).
#include "answer.hpp"

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "../filters/bench.hpp"
#include "../random_model.hpp"
#include "catch.hpp"
#include "scratch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

namespace {

Answer answer(std::initializer_list<const char*> lines) {
  Answer a;
  for (const char* line : lines) a.line(line);
  return a;
}

Identity known(std::uint64_t size, const char* etag = "", const char* modified = "") { return {size, etag, modified}; }

// Of an answer to who has asked for bytes 512 to 1023 of a file of 4096.
Fault fault(std::initializer_list<const char*> lines, const Identity& file = known(4096)) {
  return answer(lines).fault(512, 512, &file);
}

}  // namespace

TEST_CASE("curl: an answer with the bytes that were asked for is believed") {
  CHECK_FALSE(fault({"HTTP/1.1 206 Partial Content\r\n", "Content-Range: bytes 512-1023/4096\r\n", "\r\n"}));
  CHECK_FALSE(fault({"HTTP/2 206 \r\n", "content-range:bytes 512-1023/4096\r\n"}));
  const Answer a = answer({"HTTP/2 206", "content-range: bytes 0-0/18446744073709551615", "etag: \"x\"",
                           "last-modified: Fri, 27 Nov 2026 09:00:00 GMT"});
  CHECK(a.total() == UINT64_MAX);
  CHECK(a.etag() == "\"x\"");
  CHECK(a.modified() == "Fri, 27 Nov 2026 09:00:00 GMT");
}

TEST_CASE("curl: other bytes are none") {
  for (const char* const range :
       {"bytes 0-511/4096", "bytes 512-1022/4096", "bytes 512-1024/4096", "bytes 511-1023/4096", "bytes 513-1024/4096",
        "bytes 512-1023/1023", "bytes 512-1023", "bytes 512-1023/", "bytes 512-1023/x", "bytes 512-1023/4096x",
        "bytes */4096", "bytes 512-/4096", "bytes -1023/4096", "512-1023/4096", "bits 512-1023/4096", "bytes",
        "bytes 512-18446744073709551616/4096", ""}) {
    CAPTURE(range);
    CHECK(fault({"HTTP/1.1 206 x", ("Content-Range: " + std::string(range)).c_str()}).code == EIO);
  }
  CHECK(fault({"HTTP/1.1 206 x", "Content-Range: bytes 512-1023/4096", "Content-Encoding: br"}).code == EIO);
  CHECK_FALSE(fault({"HTTP/1.1 206 x", "Content-Range: bytes 512-1023/4096", "Content-Encoding: Identity"}));
  CHECK(fault({"HTTP/1.1 206 x"}).code == EIO);
  CHECK(fault({"HTTP/1.1 200 OK", "Content-Range: bytes 512-1023/4096"}).code == EIO);
  CHECK(fault({"HTTP/1.1 206 x", "Content-Range: bytes 512-1023/4096", "Content-Range: bytes 0-511/4096"}).code == EIO);
  CHECK(fault({"HTTP/1.1 206 x", "Content-Range: bytes 0-511/4096", "Content-Range: bytes 512-1023/4096"}).code == EIO);
}

TEST_CASE("curl: bytes of another version of the file are none") {
  const char *const status = "HTTP/1.1 206 x", *const range = "Content-Range: bytes 512-1023/4096";
  CHECK(fault({status, "Content-Range: bytes 512-1023/4097"}).code == ESTALE);
  CHECK_FALSE(fault({status, range, "ETag: \"a\""}, known(4096, "\"a\"")));
  CHECK(fault({status, range, "ETag: \"b\""}, known(4096, "\"a\"")).code == ESTALE);
  CHECK(fault({status, range}, known(4096, "\"a\"")).code == ESTALE);
  CHECK_FALSE(fault({status, range, "ETag: \"a\"", "Last-Modified: today"}, known(4096, "\"a\"", "yesterday")));
  CHECK_FALSE(fault({status, range, "ETag: W/\"a\"", "Last-Modified: today"}, known(4096, "W/\"a\"", "today")));
  CHECK(fault({status, range, "ETag: W/\"a\"", "Last-Modified: today"}, known(4096, "W/\"a\"", "yesterday")).code ==
        ESTALE);
  CHECK_FALSE(fault({status, range, "Last-Modified: yesterday"}, known(4096, "", "yesterday")));
  CHECK(fault({status, range, "Last-Modified: today"}, known(4096, "", "yesterday")).code == ESTALE);
  CHECK(fault({status, range}, known(4096, "", "yesterday")).code == ESTALE);
}

TEST_CASE("curl: an answer without the size of the file needs something else to know it by") {
  const char *const status = "HTTP/1.1 206 x", *const range = "Content-Range: bytes 512-1023/*";
  CHECK(fault({status, range}).code == EIO);
  CHECK_FALSE(fault({status, range, "ETag: \"a\""}, known(4096, "\"a\"")));
}

TEST_CASE("curl: the last answer counts, of several") {
  CHECK_FALSE(fault({"HTTP/1.1 302 Found", "Content-Range: bytes 0-1/2", "", "HTTP/1.1 206 x",
                     "Content-Range: bytes 512-1023/4096"}));
  CHECK(fault({"HTTP/1.1 206 x", "Content-Range: bytes 512-1023/4096", "", "HTTP/1.1 206 x"}).code == EIO);
}

TEST_CASE("curl: statuses, and which of them may pass") {
  CHECK(fault({"HTTP/1.1 404 x"}).code == ENOENT);
  CHECK(fault({"HTTP/1.1 403 x"}).code == EACCES);
  CHECK(fault({"HTTP/1.1 416 x", "Content-Range: bytes */100"}).code == ESTALE);
  CHECK_FALSE(fault({"HTTP/1.1 404 x"}).may_pass);
  for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
    CAPTURE(status);
    CHECK(fault({("HTTP/1.1 " + std::to_string(status) + " x").c_str()}).may_pass);
  }
  for (const int status : {400, 401, 403, 407, 410, 412, 416, 501, 505})
    CHECK_FALSE(fault({("HTTP/1.1 " + std::to_string(status) + " x").c_str()}).may_pass);
  CHECK(fault({}).may_pass);
  CHECK(fault({"HTTP/1.1 99999999999999999999 x"}).code == EIO);
  const Answer empty = answer({"HTTP/1.1 416 x", "Content-Range: bytes */0"});
  CHECK(empty.is_outside());
  CHECK(empty.total() == 0);
}

TEST_CASE("curl: random reads of a file of this machine") {
  const Scratch scratch;
  Bytes contents(300000 + 7);
  for (std::size_t i = 0; i != contents.size(); ++i) contents[i] = static_cast<std::byte>(i * 31 % 251);
  const std::string path = scratch.path("disk");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(contents.data()), static_cast<std::streamsize>(contents.size()));
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"url", "file://" + path}});
  const auto device = layer.open();
  CHECK(device->geometry().read_only);
  Bytes into(512);
  CHECK(device->read(0, into, Flag::nowait) == Status::would_block());
  RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), contents);
  CHECK_NOTHROW(model.run(RandomModel::operations()));
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  CHECK(device->read(0, into) == Status{ESTALE});
  CHECK_THROWS_AS(layer.open(), Refused);
  const TestLayer anew(own_module(), host, {{"url", "file://" + path}});
  CHECK(anew.open()->read(0, into).ok());
}

TEST_CASE("curl: refuses parameters that make no sense, and names them") {
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
  CHECK(refused({{"url", "gopher://x/"}}).find("gopher://") != std::string::npos);
  for (const char* const scheme : {"foo", "ftp"})
    CHECK(refused({{"url", "http://x/"}, {"proxy", std::string(scheme) + "://x/"}})
              .find("proxy begins with " + std::string(scheme)) == 0);
  CHECK(refused({{"url", "http://"}}).find("url is no URL") == 0);
  CHECK(refused({{"url", "http://me:pw@x/"}}).find("url holds a user") == 0);
  for (const char* const url : {"http://:sesame@x/", "http://me:sesame@x/"}) {
    const std::string of_url = refused({{"url", url}}), of_proxy = refused({{"url", "http://x/"}, {"proxy", url}});
    CHECK(of_url.find("url holds a user or a password") == 0);
    CHECK(of_proxy.find("proxy holds a user or a password") == 0);
    CHECK((of_url + of_proxy).find("sesame") == std::string::npos);
  }
  for (const char* const line : {"A:", "A: ", "A b: c", "A;", ": b"})
    CHECK(refused({{"url", "http://x/"}, {"headers", line}}) == "headers: number 1 is not \"Name: value\"");
  for (const char* const name : {"Range", "if-range", "Accept-Encoding"})
    CHECK(refused({{"url", "http://x/"}, {"headers", std::string(name) + ": x"}}) ==
          std::string("headers: number 1 is a header that the plugin itself sends: ") + name);
  for (const char* const name : {"token", "cookies", "user"})
    CHECK(refused({{"url", "http://x/"}, {name, "a\rb"}}) == std::string(name) + " has more than one line");
  CHECK(refused({{"url", "http://x/"}, {"user", "a"}, {"password", "a\nb"}}) == "password has more than one line");
  CHECK(refused({{"url", "http://x/"}, {"headers", "A: b,C"}}) == "headers: number 2 is not \"Name: value\"");
  CHECK(refused({{"url", "http://x/"}, {"headers", "A: b\r\nC: d"}}).find("headers: number 1") == 0);
  CHECK(refused({{"url", "http://x/"}, {"password", "x"}}) == "password needs user");
  CHECK(refused({{"url", "http://x/"}, {"user", "x"}, {"token", "x"}}) == "token and user exclude each other");
  for (const char* name : {"cookies", "token", "user", "proxy_user"})
    CHECK(refused({{"url", "http://x/"}, {name, ""}}) == std::string(name) + " is empty; take it out");
  CHECK(refused({{"url", "https://x/"}, {"user", "a:b"}}) == "user has a colon, which no user of HTTP can have");
  CHECK(refused({{"url", "HTTP://x/"}, {"user", "a:b"}}) == "user has a colon, which no user of HTTP can have");
  for (const char* proxy : {"http://p", "HTTPS://p:1", "p:1"})
    CHECK(refused({{"url", "http://x/"}, {"proxy", proxy}, {"proxy_user", "a:b"}}) ==
          "proxy_user has a colon, which no user of HTTP can have");
  CHECK(refused({{"url", "http://x/"}, {"proxy", "socks5://p"}, {"proxy_user", "a:b"}, {"ca", "/not/there"}})
            .find("/not/there cannot be opened") == 0);
  CHECK(refused({{"url", "http://x/"}, {"timeout", "0s"}}).find("timeout = \"0s\" is no time") == 0);
  CHECK(refused({{"url", "http://x/"}, {"ca", "/not/there"}}).find("/not/there cannot be opened") == 0);
  CHECK(refused({{"url", "file:///not/there?key=1"}}).find("file:///not/there cannot be opened: ") == 0);
}
