#include "server/tls_files.hpp"

#include <chrono>
#include <exception>
#include <utility>

namespace ashlar::host {
namespace {

// A certificate and its key are two files. When a look comes between the two, the next one still is in time.
constexpr std::chrono::seconds between_looks{3};

}  // namespace

TlsFiles::TlsFiles(boost::asio::io_context& io, Executor& executor, std::shared_ptr<spdlog::logger> logger)
    : executor_(executor), logger_(std::move(logger)), timer_(io, [this] { look(); }) {}

void TlsFiles::look_at(std::shared_ptr<Tls> tls) {
  tls_ = std::move(tls);
  if (tls_ != nullptr) timer_.set(Timer::Clock::now() + between_looks);
}

void TlsFiles::look() noexcept {
  if (stopped_ || tls_ == nullptr) return;
  timer_.set(Timer::Clock::now() + between_looks);
  if (looking_.exchange(true, std::memory_order_acquire)) return;
  looked_at_ = tls_;
  try {
    executor_.submit(*this);
  } catch (const std::exception&) {
    looking_.store(false, std::memory_order_release);  // there is no thread to be had now
  }
}

void TlsFiles::run() noexcept {
  try {
    log_news(looked_at_->look_for_new_files(), *logger_);
  } catch (const std::exception&) {
    // Without memory: the next look finds what is new.
  }
  looking_.store(false, std::memory_order_release);
}

void log_news(const Tls::News& news, spdlog::logger& logger) {
  for (const std::string& mistake : news.mistakes) logger.error("TLS: {}", mistake);
  for (const std::string& warning : news.warnings) logger.warn("TLS: {}", warning);
  if (news.taken) logger.info("TLS: new certificates and keys are used from now on");
  else if (!news.mistakes.empty()) logger.error("TLS: the certificates and keys of before are used still");
}

}  // namespace ashlar::host
