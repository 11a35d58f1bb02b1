#include "log/line_writer.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "catch.hpp"

using namespace ashlar::host;

namespace {

constexpr std::chrono::seconds patience{60};  // only a hang takes so long

// An open descriptor. What it refers to can be exchanged under a writer that is at rest.
struct Descriptor {
  int fd;
  explicit Descriptor(int opened) : fd(opened) { REQUIRE(fd >= 0); }
  ~Descriptor() { ::close(fd); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void become(const Descriptor& other) const { REQUIRE(::dup2(other.fd, fd) == fd); }
};

struct File : Descriptor {
  File() : Descriptor(::memfd_create("log", MFD_CLOEXEC)) {}
  std::string text() const {
    std::string all(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
    REQUIRE(::pread(fd, all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()));
    return all;
  }
};

// A pipe of one page, so that it is soon full.
struct Pipe {
  int reader = -1, writer = -1;
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    reader = ends[0];
    writer = ends[1];
    REQUIRE(::fcntl(writer, F_SETPIPE_SZ, 4096) == 4096);
  }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_reader() { ::close(std::exchange(reader, -1)); }
  // Another thread may have written to it: that it has done so is not known to whoever looks for races.
  void close_writer() { ::syscall(SYS_close, std::exchange(writer, -1)); }
  void fill() const {
    const std::string page(4096, '#');
    REQUIRE(::write(writer, page.data(), page.size()) == 4096);
  }
  // All that comes until the writer's end is closed.
  std::string read_all() const {
    std::string all;
    char part[1000];
    for (ssize_t n; (n = ::read(reader, part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(n));
    return all;
  }
};

// Tells whether a writer's thread has ended: with it goes what the writer was given.
struct End {
  std::shared_ptr<int> token = std::make_shared<int>();
  std::weak_ptr<int> seen = token;

  LineWriter::Missing missing() {
    return [held = std::move(token)](std::uint64_t count, int error) {
      return std::to_string(count) + " missing, " + std::to_string(error) + "\n";
    };
  }
  bool comes() const {
    for (const auto end = std::chrono::steady_clock::now() + patience; std::chrono::steady_clock::now() < end;) {
      if (seen.expired()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
};

LineWriter::Missing missing() { return End().missing(); }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string numbered(int i) { return "line " + std::to_string(i) + "\n"; }

}  // namespace

TEST_CASE("lines are written in order, and none is lost at a flush") {
  const File file;
  LineWriter writer(file.fd, missing());
  std::string wanted;
  for (int i = 0; i < 5000; ++i) {
    writer.add(numbered(i), false);
    wanted += numbered(i);
  }
  REQUIRE(writer.flush(patience));
  CHECK(file.text() == wanted);
  writer.add("one more\n", false);
  REQUIRE(writer.flush(patience));
  CHECK(file.text() == wanted + "one more\n");
}

TEST_CASE("a flush of nothing returns at once") {
  const File file;
  LineWriter writer(file.fd, missing());
  CHECK(writer.flush(patience));
  CHECK(file.text().empty());
}

TEST_CASE("the thread ends with the writer") {
  const File file;
  End end;
  {
    LineWriter writer(file.fd, end.missing());
    writer.add("line\n", false);
    writer.flush(patience);
  }
  CHECK(end.comes());
}

TEST_CASE("a pipe that nobody reads holds up nobody, and each line is written or told to be missing") {
  const auto limits = GENERATE(LineWriter::Limits{4000, 10'000}, LineWriter::Limits{1'000'000, 100});
  constexpr int number = 20'000;
  Pipe pipe;
  pipe.fill();
  LineWriter writer(pipe.writer, missing(), limits);
  for (int i = 0; i < number; ++i) writer.add(numbered(i), false);
  CHECK_FALSE(writer.flush(std::chrono::milliseconds(1)));

  std::string text;
  std::thread reader([&] { text = pipe.read_all().substr(4096); });
  CHECK(writer.flush(patience));
  writer.add("at last\n", false);
  CHECK(writer.flush(patience));
  pipe.close_writer();
  reader.join();

  const auto lines = lines_of(text);
  CHECK(lines.size() > std::min<std::size_t>(limits.lines, limits.bytes / 11) / 2);
  CHECK(lines.size() <= 2 * std::min<std::size_t>(limits.lines, limits.bytes / 7) + 10);
  CHECK(lines.back() == "at last");
  int next = 0, gaps = 0;
  for (std::size_t i = 0; i + 1 < lines.size(); ++i)
    if (lines[i].ends_with(" missing, 0")) {
      next += std::stoi(lines[i]);
      ++gaps;
    } else {
      REQUIRE(lines[i] + "\n" == numbered(next++));
    }
  CHECK(next == number);
  CHECK(gaps >= 1);
}

TEST_CASE("important lines find room when others do not") {
  Pipe pipe;
  pipe.fill();
  LineWriter writer(pipe.writer, missing(), {1000, 8});
  for (int i = 0; i < 100; ++i) writer.add("usual\n", false);
  for (int i = 0; i < 100; ++i) writer.add("important\n", true);
  std::string text;
  std::thread reader([&] { text = pipe.read_all().substr(4096); });
  CHECK(writer.flush(patience));
  pipe.close_writer();
  reader.join();
  const auto lines = lines_of(text);
  CHECK(std::count(lines.begin(), lines.end(), "important") >= 2);
}

TEST_CASE("a line that is longer than the room for all is missing") {
  const File file;
  LineWriter writer(file.fd, missing(), {1000, 8});
  writer.add(std::string(1000, 'x') + "\n", true);
  REQUIRE(writer.flush(patience));
  CHECK(file.text() == "1 missing, 0\n");
}

TEST_CASE("a writer that is given up begins no further line, and its thread ends when it can") {
  const std::string page = std::string(4095, 'x') + "\n";  // fills the pipe
  Pipe pipe;
  pipe.fill();
  End end;
  {
    LineWriter writer(pipe.writer, end.missing());
    for (int i = 0; i < 10; ++i) writer.add(page, true);
    for (int taken = 0; taken < 3; ++taken) {
      std::string part(page.size(), '\0');
      REQUIRE(::read(pipe.reader, part.data(), part.size()) == static_cast<ssize_t>(part.size()));
    }
    CHECK_FALSE(writer.flush(std::chrono::milliseconds(1)));
  }
  std::string text;
  std::thread reader([&] { text = pipe.read_all(); });
  CHECK(end.comes());
  pipe.close_writer();
  reader.join();
  CHECK(text.size() <= 2 * page.size());  // the one in the pipe, and the one whose write was under way
}

TEST_CASE("a full device loses lines and nothing else, and they are told when it takes some again") {
  const Descriptor out(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const File file;
  LineWriter writer(out.fd, missing());
  for (int i = 0; i < 3; ++i) {
    writer.add("lost\n", true);
    REQUIRE(writer.flush(patience));
  }
  out.become(file);
  writer.add("found\n", true);
  REQUIRE(writer.flush(patience));
  CHECK(file.text() == "3 missing, " + std::to_string(ENOSPC) + "\nfound\n");
}

TEST_CASE("a closed descriptor does no harm") {
  const int closed = ::memfd_create("log", MFD_CLOEXEC);
  ::close(closed);
  LineWriter writer(closed, missing());
  writer.add("lost\n", true);
  CHECK(writer.flush(patience));
}

TEST_CASE("a line that broke off is ended before the next one begins") {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  const Descriptor out(::dup(pipe.writer));
  pipe.close_writer();
  const File file;
  LineWriter writer(out.fd, missing());
  writer.add(std::string(10'000, 'x') + "\n", true);
  char first;
  REQUIRE(::read(pipe.reader, &first, 1) == 1);  // a part of it is written
  pipe.close_reader();
  REQUIRE(writer.flush(patience));
  out.become(file);
  writer.add("next\n", true);
  REQUIRE(writer.flush(patience));
  CHECK(file.text() == "\n1 missing, " + std::to_string(EPIPE) + "\nnext\n");
}

TEST_CASE("a pipe that does not block takes lines in parts") {
  Pipe pipe;
  REQUIRE(::fcntl(pipe.writer, F_SETFL, O_NONBLOCK) == 0);
  LineWriter writer(pipe.writer, missing());
  std::string wanted, text;
  for (int i = 0; i < 20; ++i) {
    const std::string line = std::string(10'000, static_cast<char>('a' + i)) + "\n";
    writer.add(line, false);
    wanted += line;
  }
  std::thread reader([&] { text = pipe.read_all(); });
  CHECK(writer.flush(patience));
  pipe.close_writer();
  reader.join();
  CHECK(text == wanted);
}

TEST_CASE("signals do no harm to a line") {
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) {};  // without SA_RESTART: a write that waits fails with EINTR
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  Pipe pipe;
  LineWriter writer(pipe.writer, missing());
  sigset_t mask, mask_before;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &mask, &mask_before) == 0);  // from here on they go to the writer's thread

  std::string wanted, text;
  for (int i = 0; i < 20; ++i) {
    const std::string line = std::string(10'000, static_cast<char>('a' + i)) + "\n";
    writer.add(line, false);
    wanted += line;
  }
  char part[100];
  while (text.size() < wanted.size()) {
    ::kill(::getpid(), SIGUSR1);
    const ssize_t n = ::read(pipe.reader, part, sizeof part);
    REQUIRE(n > 0);
    text.append(part, static_cast<std::size_t>(n));
  }
  CHECK(text == wanted);
  CHECK(writer.flush(patience));
  ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("lines of several threads stay whole, and each thread's in order") {
  const File file;
  LineWriter writer(file.fd, missing());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) writer.add(std::to_string(t) + " " + std::to_string(i) + "\n", false);
    });
  for (auto& thread : threads) thread.join();
  REQUIRE(writer.flush(patience));
  int next[4] = {};
  for (const std::string& line : lines_of(file.text())) {
    const int t = line[0] - '0';
    REQUIRE(line == std::to_string(t) + " " + std::to_string(next[t]++));
  }
  for (const int n : next) CHECK(n == 2000);
}
