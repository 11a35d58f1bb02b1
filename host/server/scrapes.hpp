// Scrapes: the text of /metrics, made by a thread of the executor, so that nobody else waits for it. Those who ask
// while one is made share the next. (all members on the io thread)
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/exposition.hpp"
#include "server/server_metrics.hpp"
#include "session/executor.hpp"

namespace ashlar::host {

class Scrapes {
 public:
  // Called with the text; null: it could not be made. Does not throw.
  using Answer = std::function<void(std::shared_ptr<const std::string>)>;

  // `figures`: what there is to be told now. All outlive it.
  Scrapes(boost::asio::io_context& io, Executor& executor, std::function<Figures()> figures);
  Scrapes(const Scrapes&) = delete;
  Scrapes& operator=(const Scrapes&) = delete;

  // Tells what is so when it is asked, or later.
  void ask(Exposition::Format format, Answer answer);
  // Asks the executor for nothing more, and answers nobody.
  void stop();

 private:
  struct Asked {
    Exposition::Format format;
    Answer answer;
  };
  struct Texts {
    std::shared_ptr<const std::string> prometheus, open_metrics;  // null: nobody wants it, or there is none
  };
  void begin();
  void made(const Texts& texts);

  boost::asio::io_context& io_;
  Executor& executor_;
  const std::function<Figures()> figures_;
  std::vector<Asked> waiting_, served_;  // served_: for whom one is made
  bool stopped_ = false;
};

}  // namespace ashlar::host
