// ControlClient: asks a running server by its control socket.
#pragma once
#include <boost/json/object.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>

namespace ashlar::host {

namespace json = boost::json;

// There is no server there, or it does not answer; the text says where.
class NoServer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ControlClient {
 public:
  // Connects to `address`, unix:PATH or unix:@NAME; a relative path counts from the current folder. Throws NoServer;
  // std::invalid_argument when it is no such address.
  explicit ControlClient(const std::string& address);
  ~ControlClient();
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  // A server that is well takes a client, and answers what it can answer at once, in less.
  static constexpr std::chrono::seconds patience{30};
  // Sends a command and waits for its answer, as long as that takes, or for `patience`: it has `ok`, and `error` where
  // that is false. Throws NoServer.
  enum class Wait : bool { for_long, for_patience };
  json::object ask(const json::object& command, Wait wait);
  // The same, but none when `given_up` becomes other than 0 meanwhile; the client is of no more use then.
  std::optional<json::object> ask(const json::object& command, const volatile std::sig_atomic_t& given_up);

  // What `read` returns, which reads more of an answer. Throws NoServer when that is not there.
  template <class Read>
  auto reading(Read read) const {
    try {
      return read();
    } catch (const boost::system::system_error&) {  // of a number that is none
      throw no_answer();
    } catch (const std::logic_error&) {  // of a key that is missing, or of another type
      throw no_answer();
    }
  }

 private:
  NoServer no_answer() const { return lost("has answered what is no answer of ashlar's"); }
  void send(const json::object& command);
  // The next part of an answer.
  void receive();
  // The answer, once it is there.
  std::optional<json::object> answer();
  NoServer lost(const char* why) const { return NoServer("the server at " + address_ + " " + why); }

  const std::string address_;
  int fd_ = -1;
  std::string received_;
};

// Where commands look for a server: `option`, else $ASHLAR_CONTROL, else unix:/run/ashlar/control.sock.
std::string control_address(const std::string& option);

}  // namespace ashlar::host
