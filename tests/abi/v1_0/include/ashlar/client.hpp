// Client: who is connected, as a filter or plugin may ask.
#pragma once
#include <ashlar/abi.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace ashlar {

enum class Transport : std::uint32_t { unix_socket = ASHLAR_TRANSPORT_UNIX, tcp = ASHLAR_TRANSPORT_TCP };

// A view of ashlar_client, valid as long as the device. Texts are UTF-8; empty: there is none.
class Client {
 public:
  explicit Client(const ashlar_client& client) : client_(&client) {}

  Transport transport() const { return static_cast<Transport>(client_->transport); }
  // Of the connection; no two of one server have the same.
  std::uint64_t number() const { return client_->number; }
  // "192.0.2.1:49152", "[2001:db8::1]:49152".
  std::string_view address() const { return text(client_->address); }
  // Of a unix socket's client when it connected (unix(7), SO_PEERCRED).
  std::optional<std::int64_t> uid() const { return known(client_->uid); }
  std::optional<std::int64_t> gid() const { return known(client_->gid); }
  std::optional<std::int64_t> pid() const { return known(client_->pid); }
  // The distinguished name of its certificate (RFC 4514).
  std::string_view tls_name() const { return text(client_->tls_name); }
  // Of its pre-shared key.
  std::string_view psk_identity() const { return text(client_->psk_identity); }
  // The name of the export, as the client gave it.
  std::string_view export_name() const { return text(client_->export_name); }

 private:
  static std::string_view text(const char* t) { return t != nullptr ? t : ""; }
  static std::optional<std::int64_t> known(std::int64_t id) {
    return id >= 0 ? std::optional<std::int64_t>(id) : std::nullopt;
  }

  const ashlar_client* client_;
};

}  // namespace ashlar
