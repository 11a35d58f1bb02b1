#include "control/connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

namespace ashlar::host {
namespace {

namespace asio = boost::asio;

json::object refusal(const std::string& why) { return {{"ok", false}, {"code", 2}, {"error", why}}; }

}  // namespace

ControlServer::Connection::Connection(ControlServer& server, asio::io_context& io, Descriptor fd)
    : server_(&server), stream_(io, fd.get()) {
  fd.release();
}

void ControlServer::Connection::close() {
  boost::system::error_code ignored;
  stream_.close(ignored);
}

void ControlServer::Connection::turn_away(const std::string& why) {
  server_ = nullptr;
  ends_ = true;
  answer({{"ok", false}, {"code", 1}, {"error", why}});
}

void ControlServer::Connection::read() {
  asio::async_read_until(stream_, asio::dynamic_buffer(received_, longest_command), '\n',
                         [self = shared_from_this()](const boost::system::error_code& error, std::size_t length) {
                           if (!error) return self->serve(length);
                           if (error != asio::error::not_found) return self->close();
                           self->ends_ = true;  // where the next command begins is not known
                           self->answer(refusal("the line is longer than 1 MiB"));
                         });
}

void ControlServer::Connection::serve(std::size_t length) {
  const std::string line = received_.substr(0, length);
  received_.erase(0, length);
  boost::system::error_code error;
  const json::value command = json::parse(line, error);
  if (error || !command.is_object()) return answer(refusal("the line is no JSON object"));
  if (server_ == nullptr || ends_) return close();
  server_->connections_.splice(server_->connections_.end(), server_->connections_, place);
  waits_ = true;
  gone_ = std::make_shared<std::atomic<bool>>(false);
  const auto answer_it = [self = shared_from_this()](json::object answer) {
    self->gone_.reset();
    self->answer(std::move(answer));
  };
  server_->handler_(command.get_object(), {answer_it, gone_});
  if (is_under_way()) watch_for_end();
}

// Who has only ended his side of the stream waits for the answer still. (poll(2), POLLHUP)
void ControlServer::Connection::watch_for_end() {
  stream_.async_wait(asio::posix::stream_descriptor::wait_error,
                     [self = shared_from_this(), gone = gone_](const boost::system::error_code& error) {
                       if (error) return;  // it is answered, or closed from here
                       gone->store(true);
                       self->close();
                     });
}

void ControlServer::Connection::answer(json::object answer) {
  boost::system::error_code ignored;
  stream_.cancel(ignored);
  waits_ = true;
  to_send_ = json::serialize(answer) + "\n";
  asio::async_write(stream_, asio::buffer(to_send_),
                    [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
                      self->waits_ = false;
                      if (error || self->ends_) self->close();
                      else self->read();
                    });
}

}  // namespace ashlar::host
