// STARTTLS and what it changes. (proto.md, "TLS support")
#include "talk.hpp"

using namespace ashlar;
using namespace ashlar::protocol;
using namespace ashlar::protocol::test;
using State = Handshake::State;

namespace {

constexpr std::uint32_t starttls = 5, info = 6, go = 7;

// A client of a server with the exports disk, small and broken, of which small is only for TLS.
struct Client {
  explicit Client(TlsMode mode, std::uint32_t flags = 3)
      : talk((catalog.exports[1].requires_tls = true, catalog), {}, mode) {
    talk.offer(client_flags(flags));
  }
  // What is answered to `bytes`.
  std::string operator()(const std::string& bytes) {
    const std::size_t before = talk.all_output().size();
    talk.offer(bytes);
    return talk.all_output().substr(before);
  }
  std::uint32_t error(const std::string& bytes, std::uint32_t number) {
    const std::string out = (*this)(bytes);
    for (const std::uint32_t type : {rep_err_tls_reqd, rep_err_invalid, rep_err_policy, rep_err_unknown, rep_err_unsup})
      if (out.starts_with(reply(number, type).substr(0, 16))) return type;
    return 0;
  }
  void secure() {
    CHECK((*this)(option(starttls)) == reply(starttls, 1));
    REQUIRE(talk.outcome().state == State::upgrade);
    talk.secure();
  }
  State state() const { return talk.outcome().state; }

  FakeCatalog catalog;
  Talk talk;
};

}  // namespace

TEST_CASE("tls: where it is required, all but STARTTLS and ABORT is answered TLS_REQD") {
  Client client(TlsMode::require);
  for (const std::uint32_t number : {3u, info, go, 8u, 9u, 10u, 4000u})
    for (const std::string& data : {std::string(), info_data("disk"), std::string(200'000, 'x')})
      CHECK(client.error(option(number, data), number) == rep_err_tls_reqd);
  CHECK(client.catalog.opened == 0);
  client.secure();
  CHECK(client(option(go, info_data("disk"))).ends_with(reply(go, 1)));
}

TEST_CASE("tls: where it is required, ABORT is acknowledged and EXPORT_NAME ends the session") {
  Client aborts(TlsMode::require);
  CHECK(aborts(option(2)) == reply(2, 1));
  CHECK(aborts.state() == State::closed);
  Client names(TlsMode::require);
  CHECK(names(option(1, "disk")).empty());
  CHECK(names.state() == State::closed);
}

TEST_CASE("tls: STARTTLS takes no data, and is begun once") {
  Client client(TlsMode::allow);
  CHECK(client.error(option(starttls, "x"), starttls) == rep_err_invalid);
  CHECK(client.state() == State::talking);
  client.secure();
  CHECK(client.error(option(starttls), starttls) == rep_err_invalid);
  CHECK(client.error(option(starttls, "x"), starttls) == rep_err_invalid);
  CHECK(client.state() == State::talking);
}

TEST_CASE("tls: nothing behind STARTTLS is taken before the connection is secured") {
  Client client(TlsMode::allow);
  const std::string both = option(starttls) + option(go, info_data("disk"));
  CHECK(client(both) == reply(starttls, 1));
  CHECK(client.talk.outcome().consumed == client_flags_size + option_header_size);
}

TEST_CASE("tls: what was agreed on before is forgotten") {
  Client client(TlsMode::allow);
  client(option(8) + option(10, meta_data("disk", {"base:allocation"})));
  client.secure();
  CHECK(client.error(option(10, meta_data("disk", {"base:allocation"})), 10) == rep_err_invalid);
  client(option(8) + option(go, info_data("disk")));
  REQUIRE(client.state() == State::transmission);
  CHECK(client.talk.outcome().agreement.structured_replies);
  CHECK_FALSE(client.talk.outcome().agreement.base_allocation);
}

TEST_CASE("tls: in plain an export that requires it and a name that is none are the same") {
  Client client(TlsMode::allow);
  for (const std::uint32_t number : {info, go}) {
    const std::string hidden = client(option(number, info_data("small")));
    CHECK(hidden == client(option(number, info_data("none"))));
    CHECK(client.error(option(number, info_data("small")), number) == rep_err_tls_reqd);
  }
  CHECK(client.catalog.opened == 0);
  client(option(8));
  for (const std::uint32_t number : {9u, 10u}) {
    const std::string hidden = client(option(number, meta_data("small", {})));
    CHECK(hidden == client(option(number, meta_data("none!", {}))));
    CHECK(client.error(option(number, meta_data("small", {})), number) == rep_err_unknown);
  }
  CHECK(client(option(3)).find("small") == std::string::npos);
  CHECK(client(option(go, info_data("disk"))).ends_with(reply(go, 1)));
}

TEST_CASE("tls: EXPORT_NAME of an export that requires it ends the session in plain") {
  Client plain(TlsMode::allow);
  CHECK(plain(option(1, "small")).empty());
  CHECK(plain.state() == State::closed);
  Client secured(TlsMode::allow);
  secured.secure();
  secured(option(1, "small"));
  CHECK(secured.state() == State::transmission);
}

TEST_CASE("tls: secured, all exports are there, and none that is not is TLS_REQD") {
  Client client(TlsMode::allow);
  client.secure();
  CHECK(client(option(3)).find("small") != std::string::npos);
  CHECK(client.error(option(info, info_data("none")), info) == rep_err_unknown);
  CHECK(client(option(go, info_data("small"))).ends_with(reply(go, 1)));
}

TEST_CASE("tls: where no export requires it, a name that is none is UNKNOWN") {
  FakeCatalog catalog;
  Talk session(catalog, {}, TlsMode::allow);
  session.offer(client_flags() + option(info, info_data("none")));
  CHECK(session.outcome().output.starts_with(reply(info, rep_err_unknown).substr(0, 16)));
}

TEST_CASE("tls: the default export is hidden like any other") {
  FakeCatalog catalog;
  catalog.exports[0].requires_tls = true;
  Talk session(catalog, {}, TlsMode::allow);
  session.offer(client_flags() + option(info, info_data("")));
  CHECK(session.outcome().output.starts_with(reply(info, rep_err_tls_reqd).substr(0, 16)));
}

TEST_CASE("tls: of a name that TLS may make known, nobody has asked in vain") {
  Client client(TlsMode::allow);
  client(option(info, info_data("small")) + option(go, info_data("none")));
  CHECK(client.catalog.asked_in_vain.empty());
  client.secure();
  client(option(go, info_data("none")));
  CHECK(client.catalog.asked_in_vain == std::vector<std::string>{"none"});
}

TEST_CASE("tls: a client without the flag C_FIXED_NEWSTYLE is never told TLS_REQD") {
  for (const TlsMode mode : {TlsMode::allow, TlsMode::require}) {
    Client client(mode, 0);
    CHECK(client.error(option(starttls), starttls) == rep_err_policy);
    CHECK(client.state() == State::talking);
    const std::uint32_t error = client.error(option(info, info_data("small")), info);
    CHECK(error == (mode == TlsMode::require ? rep_err_policy : rep_err_unknown));
  }
}
