#include "session/client_facts.hpp"

namespace ashlar::host {

ClientFacts::ClientFacts(const Peer& peer)
    : address_(endpoint_text(peer)),
      client_{.struct_size = sizeof(ashlar_client),
              .transport = peer.transport == Peer::Transport::tcp ? ASHLAR_TRANSPORT_TCP : ASHLAR_TRANSPORT_UNIX,
              .number = peer.number,
              .address = address_.empty() ? nullptr : address_.c_str(),
              .uid = peer.uid,
              .gid = peer.gid,
              .pid = peer.pid,
              .tls_name = nullptr,
              .psk_identity = nullptr,
              .export_name = export_name_.c_str()} {
  if (peer.tls) set_tls(*peer.tls);
}

void ClientFacts::set_export_name(std::string_view name) {
  export_name_ = name;
  client_.export_name = export_name_.c_str();
}

void ClientFacts::set_tls(const TlsIdentity& identity) {
  tls_ = identity;
  client_.tls_name = tls_.name.empty() ? nullptr : tls_.name.c_str();
  client_.psk_identity = tls_.psk.empty() ? nullptr : tls_.psk.c_str();
}

}  // namespace ashlar::host
