// Handshake: the server's side of fixed newstyle negotiation, from the greeting to transmission. Pure: bytes in, bytes
// out. (proto.md, "The newstyle negotiation")
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/block_sizes.hpp"
#include "protocol/catalog.hpp"
#include "protocol/option_data.hpp"

namespace ashlar::protocol {

// What was agreed on. Valid once the handshake is done.
struct Agreement {
  std::size_t export_index = 0;
  bool structured_replies = false;
  bool base_allocation = false;          // BLOCK_STATUS may be asked, for the export above
  std::uint32_t allocation_context = 0;  // its id
  std::uint16_t transmission_flags = 0;  // as sent to the client
};

// Whether the connection may be secured by TLS. (proto.md, "TLS support": NOTLS, SELECTIVETLS, FORCEDTLS)
enum class TlsMode : std::uint8_t { off, allow, require };

class Handshake {
 public:
  enum class State {
    talking,       // give it more bytes
    upgrade,       // nothing else may have come: send output(), then speak TLS, then call secured()
    transmission,  // done: agreement() holds; bytes behind what was consumed are requests
    closed,        // send output(), then close: the client has aborted or broken the protocol (see reason())
  };

  // `max_payload`: the server's limits on reads and writes.
  Handshake(Catalog& catalog, PayloadLimits max_payload, TlsMode tls = TlsMode::off);

  // Takes bytes from the client; returns how many were consumed. Whole messages only; the rest is to be offered again,
  // with more behind it, or when output() has been sent: nothing is taken while a list is on its way. Never consumes
  // past the end of the handshake. Payloads of refused options are consumed piecemeal, so that a claimed length needs
  // no memory. At most max_message() bytes need be offered at once.
  std::size_t feed(std::span<const std::byte> bytes);

  // Bytes to send, in order. Holds the greeting right after construction.
  std::span<const std::byte> output() const { return output_; }
  // All of output() has been sent. A list of many exports comes in parts: then there is more to send already, and the
  // next option is not looked at before.
  void sent();

  // Nobody waits for the rest of an option whose data have come in part: its reply is in output(), if there is one to
  // give without them. Nothing is fed afterwards.
  void break_off();

  // What follows comes by TLS. All that was agreed on before is forgotten. Once, in State::upgrade.
  void secured();

  State state() const { return state_; }
  const Agreement& agreement() const { return agreement_; }
  const std::string& reason() const { return reason_; }
  // Whether the client was refused something because it does not speak TLS, and has not begun to since.
  bool lacks_tls() const { return refused_without_tls_ && !secured_; }
  static std::size_t max_message();

  // Limits of one handshake, so that no client holds the server or its memory for ever. An option with more data than
  // max_option_data is answered with TOO_BIG; who sends more options, or goes on without having been sent the replies
  // to earlier ones (which the protocol forbids), is disconnected.
  static constexpr std::uint32_t max_option_data = 64u << 10;  // bytes
  // Grows with the exports: clients that list them ask up to three things about each.
  std::size_t max_options() const { return 1024 + 8 * (catalog_.size() + most_listed_); }
  // Bytes of output() when an option begins.
  static constexpr std::size_t max_unsent = 1u << 20;
  // Exports that templates stand for, in the reply to LIST; further ones are not told of.
  static constexpr std::size_t max_listed = 100'000;

 private:
  enum class Stage : std::uint8_t { client_flags, option, drain };

  // How an option ends of which the header says enough.
  struct EarlyEnd {
    enum class Kind : std::uint8_t {
      refuse,                 // drain the data, then reply `error` with `text`
      acknowledge_and_close,  // drain the data, then reply ACK and close, for the reason `text`
      close,                  // close at once, without a reply, for the reason `text`
    };
    Kind kind = Kind::refuse;
    std::uint32_t error = rep_err_unsup;  // rep_err_*
    const char* text = "";                // constant
    bool for_tls = false;                 // because TLS is not spoken
  };

  // Each takes one message, or a part of what is drained, off the front; returns how many bytes, 0: not yet complete.
  std::size_t take_client_flags(std::span<const std::byte> bytes);
  std::size_t take_option(std::span<const std::byte> bytes);
  std::size_t take_drained(std::span<const std::byte> bytes);

  // None: the data have to be looked at.
  std::optional<EarlyEnd> judge_header(std::uint32_t option, std::uint32_t length) const;
  std::optional<EarlyEnd> judge_tls(std::uint32_t option, std::uint32_t length) const;
  void end_early();
  void run_option(std::span<const std::byte> data);
  void export_name(std::span<const std::byte> data);
  void list_some();
  bool list_more();
  void info_or_go(std::span<const std::byte> data);
  void meta_context(std::span<const std::byte> data);

  // How far the answer to a LIST has come.
  struct List {
    std::size_t next = 0;  // export
    std::shared_ptr<const std::vector<Catalog::Listed>>
        names{};                   // of that, if it is a template; null: not asked for yet
    std::size_t next_name = 0;     // of these
    std::size_t of_templates = 0;  // names, of all templates so far
  };

  struct Chosen {
    std::size_t index = 0;
    const Geometry* geometry = nullptr;  // null: the error has been replied
  };
  Chosen choose(std::string_view name);
  std::optional<std::size_t> find(std::string_view name);
  void not_there(std::string_view name);
  void not_to_be_had(std::string_view why);
  void list_one(std::string_view name, std::string_view description);
  bool hides(std::size_t index) const { return !secured_ && catalog_.requires_tls(index); }
  bool hides_any() const;
  void send_info(const InfoRequest& request, const Chosen& chosen);
  void enter_transmission(const Chosen& chosen);
  void close(std::string reason);

  std::byte* extend(std::size_t bytes);
  std::byte* reply(std::uint32_t type, std::size_t data_bytes);
  void reply_error(std::uint32_t type, std::string_view text);

  Catalog& catalog_;
  const PayloadLimits max_payload_;
  State state_ = State::talking;
  Stage stage_ = Stage::client_flags;
  const TlsMode tls_;
  bool secured_ = false;  // by TLS
  bool refused_without_tls_ = false;
  bool fixed_newstyle_ = false;
  bool no_zeroes_ = false;
  bool structured_ = false;
  std::size_t options_ = 0;              // so far
  std::size_t most_listed_ = 0;          // exports of templates that a LIST has told of
  std::uint32_t option_ = 0;             // the one under way
  std::uint32_t drain_left_ = 0;         // bytes
  EarlyEnd early_;                       // of that option, when they are drained
  std::optional<List> list_;             // while a LIST is answered
  std::optional<std::size_t> selected_;  // export for which base:allocation was selected last
  std::vector<std::byte> output_;
  Agreement agreement_;
  std::string reason_;
};

}  // namespace ashlar::protocol
