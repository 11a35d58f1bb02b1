// ClientFacts: who a client is, as modules are told.
#pragma once
#include <ashlar/abi.h>

#include <string>
#include <string_view>

#include "socket/peer.hpp"

namespace ashlar::host {

// Keeps its address. What changes it: [the session's thread, while no chain is open]; the rest: [any thread].
class ClientFacts {
 public:
  explicit ClientFacts(const Peer& peer);
  ClientFacts(const ClientFacts&) = delete;
  ClientFacts& operator=(const ClientFacts&) = delete;

  // The export's name, as the client gave it.
  void set_export_name(std::string_view name);
  // Who it has proved to be by TLS.
  void set_tls(const TlsIdentity& identity);
  const std::string& export_name() const { return export_name_; }

  const ashlar_client& abi() const { return client_; }

 private:
  const std::string address_;
  std::string export_name_;
  TlsIdentity tls_;
  ashlar_client client_;
};

}  // namespace ashlar::host
