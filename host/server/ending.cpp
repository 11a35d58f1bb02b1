#include "server/ending.hpp"

#include <unistd.h>

#include <exception>
#include <utility>

#include "server/counted.hpp"

namespace ashlar::host {
namespace {

// Told to stop, the server ends within five seconds. For so long replies that are under way may take to reach their
// clients:
constexpr std::chrono::milliseconds grace{3000};
// For so long modules may take to return:
constexpr std::chrono::milliseconds patience{4500};
// And for so long the log may take to be read, in which they are named then.
constexpr std::chrono::milliseconds last_lines{300};

}  // namespace

Ending::Ending(boost::asio::io_context& io, Log& log, std::shared_ptr<Activity> activity, Supervision& supervision,
               Hooks hooks)
    : log_(log),
      activity_(std::move(activity)),
      supervision_(supervision),
      hooks_(std::move(hooks)),
      timer_(io, [this] { time_is_up(); }) {}

void Ending::told(const char* why) {
  switch (++times_told_) {
    case 1: return begin(why);
    case 2: return break_off("told to stop again");
    default: leave();
  }
}

// Acts first: the log may take its time.
void Ending::begin(const char* why) {
  told_at_ = Clock::now();
  timer_.set(told_at_ + grace);
  hooks_.begin();
  activity_->under_way();  // what it sees now it knows to be so old at least when it looks again
  log_.logger()->info("{}: stopping", why);
}

void Ending::time_is_up() {
  if (Clock::now() >= told_at_ + patience) leave();
  timer_.set(told_at_ + patience);
  break_off("the time for replies is over");
}

void Ending::break_off(const char* why) {
  supervision_.kill_command();
  Connections* const connections = hooks_.connections();
  if (connections == nullptr || connections->size() == 0) return;
  const std::size_t all = connections->size(), deaf = connections->not_taking_replies();
  connections->break_off();
  log_.logger()->warn("{}: {} broken off", why, counted(all, "connection is", "connections are"));
  if (deaf != 0)
    log_.logger()->warn("{}", counted(deaf, "client does not take its replies", "clients do not take their replies"));
  if (const std::size_t calls = activity_->under_way().size(); calls != 0)
    log_.logger()->warn("{}",
                        counted(calls, "call into a module has not returned", "calls into modules have not returned"));
}

// Something does not end. What it may still be using is left to it; the kernel cleans up.
void Ending::leave() {
  if (Connections* const connections = hooks_.connections()) connections->break_off();
  supervision_.leave();
  try {
    name_what_is_left();
  } catch (const std::exception&) {
    // Without memory there is no line.
  }
  log_.flush(last_lines);
  ::_exit(1);
}

void Ending::name_what_is_left() {
  const auto calls = describe(activity_->under_way());
  for (const std::string& line : calls) log_.logger()->error("left behind: {}", line);
  if (!calls.empty()) return;
  const Connections* const connections = hooks_.connections();
  if (!hooks_.is_created()) log_.logger()->error("left behind: the start, which is inside no module");
  else if (connections != nullptr && connections->size() != 0)
    log_.logger()->error("left behind: {}, inside no module", counted(connections->size(), "client", "clients"));
  else log_.logger()->error("left behind: the end of the exports, which is inside no module");
}

}  // namespace ashlar::host
