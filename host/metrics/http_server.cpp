#include "metrics/http_server.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "listener/duplicate.hpp"
#include "metrics/accept.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t longest_header = 16 * 1024, longest_body = 1024;  // bytes
// For a request to come, and for its answer to be taken.
constexpr std::chrono::seconds patience{30};

// What the header Accept says; several lines of it are one list. (RFC 9110, 5.3)
std::string accept_of(const http::request<http::string_body>& request) {
  std::string all;
  const auto [begin, end] = request.equal_range(http::field::accept);
  for (auto line = begin; line != end; ++line) all += std::string(line->value()) + ",";
  return all;
}

}  // namespace

// One client, which may ask again and again.
class HttpServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& io, Descriptor fd, std::shared_ptr<const Source> source)
      : stream_(io, fd.get()), timer_(io), source_(std::move(source)) {
    fd.release();
  }

  void read() {
    parser_.emplace();
    parser_->header_limit(longest_header);
    parser_->body_limit(longest_body);
    be_patient();
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
                       if (!self->stream_.is_open()) return;  // closed when the request was there already
                       if (error) self->refuse(error);
                       else self->answer(self->parser_->get());
                     });
  }
  void close() {
    boost::system::error_code ignored;
    timer_.cancel();
    stream_.close(ignored);
  }

 private:
  void be_patient() {
    timer_.expires_after(patience);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) self->close();
    });
  }

  // What is no HTTP is told so; of one who has gone, nothing can be.
  void refuse(const boost::system::error_code& error) {
    if (error == http::error::end_of_stream ||
        error.category() != http::make_error_code(http::error::bad_method).category())
      return close();
    send(http::status::bad_request, "text/plain", "this is no request: " + error.message() + "\n", false, true);
  }

  void answer(const http::request<http::string_body>& request) {
    const bool head = request.method() == http::verb::head, last = !request.keep_alive();
    if (request.method() != http::verb::get && !head)
      return send(http::status::method_not_allowed, "text/plain", "only GET and HEAD are answered\n", false, true);
    const auto target = request.target().substr(0, request.target().find('?'));
    if (target == "/metrics") {
      const auto format = format_for(accept_of(request));
      be_patient();
      return source_->metrics(format, [self = shared_from_this(), format, head, last](const auto& text) {
        self->send_metrics(format, text.get(), head, last);
      });
    }
    if (target == "/healthz") return send(http::status::ok, "text/plain", "ok\n", head, last);
    if (target != "/readyz")
      return send(http::status::not_found, "text/plain", "there are /metrics, /healthz and /readyz\n", head, last);
    if (source_->ready()) return send(http::status::ok, "text/plain", "ready\n", head, last);
    send(http::status::service_unavailable, "text/plain", "no new clients are taken\n", head, last);
  }

  void send_metrics(Exposition::Format format, const std::string* text, bool head, bool last) {
    if (!stream_.is_open()) return;  // closed meanwhile
    if (text != nullptr) send(http::status::ok, Exposition::content_type(format), *text, head, last);
    else send(http::status::service_unavailable, "text/plain", "without memory or threads\n", head, last);
  }

  void send(http::status status, const char* type, std::string body, bool head, bool last) {
    response_ = {};
    response_.version(11);
    response_.result(status);
    response_.set(http::field::content_type, type);
    if (status == http::status::method_not_allowed) response_.set(http::field::allow, "GET, HEAD");
    response_.keep_alive(!last);
    response_.content_length(body.size());
    if (!head) response_.body() = std::move(body);
    be_patient();
    http::async_write(stream_, response_,
                      [self = shared_from_this(), last](const boost::system::error_code& error, std::size_t) {
                        if (error || last) self->close();
                        else self->read();
                      });
  }

  asio::posix::stream_descriptor stream_;
  asio::steady_timer timer_;
  const std::shared_ptr<const Source> source_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
};

HttpServer::HttpServer(asio::io_context& io, Source source, std::function<void(const std::string&)> complain)
    : io_(io), source_(std::make_shared<const Source>(std::move(source))), complain_(std::move(complain)) {}

HttpServer::~HttpServer() = default;

void HttpServer::serve(Listener& listener) {
  listener.start([this](std::unique_ptr<Socket> socket, const Peer&) { accepted(std::move(socket)); }, complain_);
}

void HttpServer::end_clients() {
  stopped_ = true;
  for (const auto& one : connections_)
    if (const auto connection = one.lock()) connection->close();
  connections_.clear();
}

// Of the socket only its descriptor is wanted: what a disk's client needs, this one does not.
void HttpServer::accepted(std::unique_ptr<Socket> socket) {
  if (stopped_) return;
  connections_.remove_if([](const auto& one) { return one.expired(); });
  while (connections_.size() >= most_connections) {
    if (const auto oldest = connections_.front().lock()) oldest->close();
    connections_.pop_front();
  }
  try {
    const auto connection = std::make_shared<Connection>(io_, duplicate_of(*socket), source_);
    connections_.push_back(connection);
    connection->read();
  } catch (const std::exception& e) {  // without descriptors or memory: the client sees its connection close
    complain_(std::string("a client of the metrics is turned away: ") + e.what());
  }
}

}  // namespace ashlar::host
