// Where the text of a config may come from, and which operand of `serve` is one.
#include "config/source.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "config/config.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

const std::string least = "[[export]]\nname = \"disk\"\n[export.plugin]\ntype = \"file\"\npath = \"disk.img\"\n";

// Two connected descriptors: what is written to one is read from the other.
struct Ends {
  explicit Ends(int flags = 0) { REQUIRE(::pipe2(fds, flags) == 0); }
  enum class Kind { socket };
  explicit Ends(Kind) { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0); }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  ~Ends() {
    ::close(fds[0]);
    hang_up();
  }
  void write(const std::string& text) const {
    CHECK(::write(fds[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void hang_up() {
    if (fds[1] >= 0) ::close(fds[1]);
    fds[1] = -1;
  }
  std::string name() const { return "/dev/fd/" + std::to_string(fds[0]); }
  int fds[2] = {-1, -1};
};

// The test runs in `folder` meanwhile.
struct Within {
  explicit Within(const std::filesystem::path& folder) { std::filesystem::current_path(folder); }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;
  ~Within() { std::filesystem::current_path(before); }
  const std::filesystem::path before = std::filesystem::current_path();
};

}  // namespace

TEST_CASE("a config comes through a pipe or a socket, and its paths count from the current folder") {
  const TempFolder folder;
  const Within within(folder.path());
  const auto check = [&](Ends& ends) {
    ends.write("[server]\nlisten = [\"unix:a.sock\"]\n" + least);
    ends.hang_up();
    const Config config = read_config(ends.name());
    CHECK(config.file == ends.name());
    CHECK(config.folder == folder.path());
    CHECK(config.server.listen.at(0).path == folder.path() / "a.sock");
    CHECK(config.exports.at(0).name == "disk");
  };
  SECTION("a pipe") {
    Ends ends;
    check(ends);
  }
  SECTION("a socket, whose name cannot be opened") {
    Ends ends(Ends::Kind::socket);
    check(ends);
  }
}

TEST_CASE("a config comes in pieces, through a pipe that does not block") {
  Ends ends(O_NONBLOCK);
  std::thread writer([&] {
    for (std::size_t at = 0; at < least.size(); at += 10) {
      ends.write(least.substr(at, 10));
      std::this_thread::yield();
    }
    ends.hang_up();
  });
  const std::string text = read_config_text(ends.name());
  writer.join();
  CHECK(text == least);
}

TEST_CASE("a named pipe waits for its writer, whatever it is called") {
  const TempFolder folder;
  for (const char* name : {"fifo", "fifo.toml"}) {
    const auto fifo = folder.path() / name;
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK(kind_of_operand(fifo) == Operand::config);
    CHECK(folder_of_config(fifo) == std::filesystem::current_path());
    std::thread writer([&] { std::ofstream(fifo) << least; });
    CHECK(read_config_text(fifo) == least);
    writer.join();
  }
}

TEST_CASE("a mistake in a config from a pipe is found at its line and column") {
  Ends ends;
  ends.write("[server]\nworkers = 0\n" + least);
  ends.hang_up();
  CHECK_THROWS_WITH(read_config(ends.name()), StartsWith(ends.name() + ":2:11: key \"workers\": 0 is out of range"));
}

TEST_CASE("a pipe that does not end is read no further than the largest config") {
  CHECK_THROWS_WITH(read_config_text("/dev/zero"), "/dev/zero: cannot read the config: larger than 16 MiB");
}

TEST_CASE("a descriptor is read from where it stands, and looking at it does not move it") {
  const TempFolder folder;
  const auto file = folder.write("text", "# skipped\n" + least);
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::lseek(fd, 10, SEEK_SET) == 10);
  const std::string name = "/dev/fd/" + std::to_string(fd);
  CHECK(kind_of_operand(name) == Operand::config);
  CHECK(read_config_text(name) == least);
  ::close(fd);
  CHECK_THROWS_WITH(read_config_text(name), name + ": cannot read the config: Bad file descriptor");
}

TEST_CASE("a config is known by its name, or as a pipe, or by what comes through a descriptor; all else is an image") {
  const TempFolder folder;
  const auto kind = [&](const std::string& name, const std::string& text) {
    return kind_of_operand(folder.write(name, text));
  };
  CHECK(kind("a.toml", "no config") == Operand::config);
  CHECK(kind_of_operand(folder.path() / "absent.toml") == Operand::config);
  CHECK(kind_of_operand(folder.path() / "absent.img") == Operand::image);
  CHECK(kind_of_operand(folder.path()) == Operand::image);
  CHECK(kind_of_operand("/dev/null") == Operand::image);

  const Ends pipe, socket(Ends::Kind::socket);
  CHECK(kind_of_operand(pipe.name()) == Operand::config);
  CHECK(kind_of_operand(socket.name()) == Operand::config);
  CHECK(kind_of_operand("/proc/self/fd/" + std::to_string(pipe.fds[0])) == Operand::config);
  const auto disk = folder.write("disk", "bytes");
  const int fd = ::open(disk.c_str(), O_RDONLY | O_CLOEXEC);
  CHECK(kind_of_operand("/dev/fd/" + std::to_string(fd)) == Operand::image);
  ::close(fd);
}

TEST_CASE("a config with another name is known as one, even with a mistake in it") {
  const TempFolder folder;
  const auto kind = [&](const std::string& text) { return kind_of_operand(folder.write("ashlar.conf", text)); };
  CHECK(kind(least) == Operand::misnamed);
  CHECK(kind("# by hand\n[server]\nworkers = 2\n" + least) == Operand::misnamed);
  CHECK(kind("export = 1\n") == Operand::misnamed);
  CHECK(kind("include = [\"conf.d/*.toml\"]\n") == Operand::misnamed);
  CHECK(kind("[server]\nworkers = 2\n") == Operand::misnamed);
  CHECK(kind("workers = = 2\n" + least) == Operand::misnamed);
  CHECK(kind("workers = = 2\n  \t" + least) == Operand::misnamed);

  CHECK(kind("") == Operand::image);
  CHECK(kind("[package]\nserver = 2\n") == Operand::image);
  CHECK(kind("a text that tells of [[export]]\n") == Operand::image);
  CHECK(kind(least + std::string(512, '\0')) == Operand::image);
  const std::size_t largest = 16 << 20;
  CHECK(kind(least + std::string(largest - least.size(), '\n')) == Operand::misnamed);
  CHECK(kind(least + std::string(largest - least.size() + 1, '\n')) == Operand::image);
}
