// TlsFiles: has certificates and keys taken up while the server runs, within 10 seconds after their files change.
#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <memory>

#include <spdlog/logger.h>

#include "server/watch.hpp"
#include "session/executor.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {

// A disk that does not answer must not hold up the io thread, so a thread of the executor looks at the files.
class TlsFiles final : private Task {
 public:
  // All outlive it; it outlives the threads of `executor`.
  TlsFiles(boost::asio::io_context& io, Executor& executor, std::shared_ptr<spdlog::logger> logger);
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  // Looks at the files of `tls` from now on; null: at none. [the io thread]
  void look_at(std::shared_ptr<Tls> tls);
  // Looks no more: `executor` may go. A look that is under way goes on. [the io thread]
  void stop() noexcept { stopped_ = true; }

 private:
  void look() noexcept;          // [the io thread]
  void run() noexcept override;  // [a thread of the executor]

  std::shared_ptr<Tls> tls_;
  std::shared_ptr<Tls> looked_at_;  // by the look that is under way
  Executor& executor_;
  const std::shared_ptr<spdlog::logger> logger_;
  bool stopped_ = false;
  std::atomic<bool> looking_{false};
  Timer timer_;
};

// Reads the files at once, and logs what there is to be told of them. [any thread, one at a time for each `tls`]
void log_news(const Tls::News& news, spdlog::logger& logger);

}  // namespace ashlar::host
