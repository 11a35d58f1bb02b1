// A process that logs and ends in the way that its argument names. What becomes of its lines is seen from outside.
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "log/log.hpp"

using namespace ashlar::host;

namespace {

constexpr int lines = 5000;

void say_much(Log& log) {
  for (int i = 0; i < lines; ++i) log.logger()->info("line {}", i);
}

int speak(const std::string& how) {
  Log log(how == "levels" || how == "nothing" ? LogLevel::trace : LogLevel::info);
  if (how == "levels") {
    const spdlog::log_clock::time_point then{std::chrono::milliseconds(1'000'000'000'123)};
    for (const auto level :
         {spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err})
      log.logger()->log(then, {}, level, "text");
    return 0;
  }
  if (how != "nothing") say_much(log);
  if (how == "throw") throw std::runtime_error("it failed");
  if (how == "_exit") {
    log.flush();
    log.flush();
    ::_exit(1);
  }
  return 0;
}

}  // namespace

int main(int, char** argv) {
  ::alarm(60);  // a process that hangs ends by a signal
  try {
    return speak(argv[1]);
  } catch (const std::exception&) {
    return 1;
  }
}
