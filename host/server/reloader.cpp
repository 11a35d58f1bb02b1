#include "server/reloader.hpp"

#include <utility>

#include "cli/json.hpp"
#include "server/background.hpp"
#include "server/differences.hpp"

namespace ashlar::host {
namespace {

// The exit codes of those who ask.
constexpr int code_failed = 1, code_mistake = 2;

// In a reload: the exports of before, or those that could not be taken up.
constexpr std::size_t most_let_go_of = 2;

json::object refusal(const std::string& why, int code) {
  return {{"ok", false}, {"code", code}, {"error", json_text(why)}};
}

json::object refusal(const ConfigError& mistakes) {
  json::array lines;
  for (const Mistake& one : mistakes.mistakes()) lines.push_back(json_text(one.line()));
  json::object answer = refusal("the config has mistakes: nothing has changed", code_mistake);
  answer["mistakes"] = std::move(lines);
  return answer;
}

// Why a reload came to nothing.
json::object refusal(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const ConfigError& e) {
    return refusal(e);
  } catch (const std::exception& e) {
    return refusal(std::string(e.what()) + ": nothing has changed", code_failed);
  }
}

}  // namespace

Reloader::Reloader(boost::asio::io_context& io, Executor& executor, std::shared_ptr<spdlog::logger> logger,
                   std::string why_not, Hooks hooks)
    : io_(io),
      executor_(executor),
      logger_(std::move(logger)),
      why_not_(std::move(why_not)),
      hooks_(std::move(hooks)) {}

void Reloader::reload(bool end_clients, Answer answer) {
  if (stopped_) {
    if (answer) answer(refusal("the server stops", code_failed));
    return;
  }
  requests_.push_back({end_clients, std::move(answer)});
  begin_next();
}

void Reloader::begin_next() {
  if (is_under_way_ || stopped_ || requests_.empty()) return;
  is_under_way_ = true;
  hooks_.begins();
  if (!why_not_.empty()) return end(refusal(why_not_, code_mistake));
  try {
    room_to_let_go_.resize(most_let_go_of);
    in_background(
        io_, executor_,
        [this] {
          make();
          return true;
        },
        [this](bool) { made(); });
  } catch (const std::exception&) {
    end(refusal(std::current_exception()));
  }
}

void Reloader::make() noexcept {
  try {
    setup_.emplace(hooks_.make());
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void Reloader::made() {
  if (stopped_) return;
  if (const std::exception_ptr failure = std::exchange(failure_, {})) return end(refusal(failure));
  Setup made = std::move(*setup_);
  setup_.reset();
  std::shared_ptr<const void> exports = made.exports;
  try {
    end(hooks_.take_up(std::move(made), requests_.front().end_clients));
  } catch (const std::exception&) {  // without memory; what was taken up by then stays
    let_go_of(std::move(exports));
    end(refusal(std::current_exception()));
  }
}

// Whoever waits hears of it last, so that all is as he is told.
void Reloader::end(json::object answer) {
  const Request request = std::move(requests_.front());
  requests_.pop_front();
  is_under_way_ = false;
  if (answer.at("ok").as_bool()) {
    for (const std::string& line : lines_of(answer)) logger_->info("reload: {}", line);
  } else {
    if (const json::value* const mistakes = answer.if_contains("mistakes"))
      for (const json::value& line : mistakes->as_array()) logger_->error("reload: {}", line.as_string().c_str());
    logger_->error("reload: {}", answer.at("error").as_string().c_str());
  }
  hooks_.over();
  if (request.answer) request.answer(std::move(answer));
  begin_next();
}

void Reloader::stop() {
  stopped_ = true;
  for (const Request& request : std::exchange(requests_, {}))
    if (request.answer) request.answer(refusal("the server stops", code_failed));
}

void Reloader::let_go_of(std::shared_ptr<const void> what) noexcept {
  room_to_let_go_.front() = std::move(what);
  to_let_go_.splice(to_let_go_.end(), room_to_let_go_, room_to_let_go_.begin());
  let_go_of_rest();
}

void Reloader::let_go_of_rest() noexcept {
  if (to_let_go_.empty() || stopped_) return;
  std::shared_ptr<LetGo> all;
  try {
    all = std::make_shared<LetGo>();
    all->swap(to_let_go_);
    in_background(
        io_, executor_,
        [all] {
          all->clear();
          return true;
        },
        [](bool) {});
  } catch (const std::exception&) {
    if (all) all->swap(to_let_go_);
  }
}

void Reloader::discard() {
  setup_.reset();
  to_let_go_.clear();
}

}  // namespace ashlar::host
