#include "server/scrapes.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "server/background.hpp"

namespace ashlar::host {
namespace {

// Null: there is no memory for it.
std::shared_ptr<const std::string> text_of(const Figures& now, Exposition::Format format) noexcept {
  try {
    return std::make_shared<const std::string>(metrics_text(now, format));
  } catch (const std::exception&) {
    return nullptr;
  }
}

}  // namespace

Scrapes::Scrapes(boost::asio::io_context& io, Executor& executor, std::function<Figures()> figures)
    : io_(io), executor_(executor), figures_(std::move(figures)) {}

void Scrapes::ask(Exposition::Format format, Answer answer) {
  waiting_.push_back({format, std::move(answer)});
  begin();
}

void Scrapes::stop() {
  stopped_ = true;
  waiting_.clear();
  served_.clear();
}

void Scrapes::begin() {
  if (!served_.empty() || waiting_.empty() || stopped_) return;
  served_ = std::exchange(waiting_, {});
  const auto wanted = [&](Exposition::Format format) {
    return std::any_of(served_.begin(), served_.end(), [&](const Asked& one) { return one.format == format; });
  };
  try {
    in_background(
        io_, executor_,
        [now = figures_(), prometheus = wanted(Exposition::Format::prometheus),
         open_metrics = wanted(Exposition::Format::open_metrics)] {
          return Texts{prometheus ? text_of(now, Exposition::Format::prometheus) : nullptr,
                       open_metrics ? text_of(now, Exposition::Format::open_metrics) : nullptr};
        },
        [this](const Texts& texts) { made(texts); });
  } catch (const std::exception&) {  // without a thread or memory
    made({});
  }
}

void Scrapes::made(const Texts& texts) {
  for (const Asked& one : std::exchange(served_, {}))
    one.answer(one.format == Exposition::Format::prometheus ? texts.prometheus : texts.open_metrics);
  begin();
}

}  // namespace ashlar::host
