// The frame of the handshake: greeting, client flags, option headers, its end, its limits.
#include "protocol/handshake.hpp"

#include "talk.hpp"

using namespace ashlar;
using namespace ashlar::protocol;
using namespace ashlar::protocol::test;
using State = Handshake::State;

TEST_CASE("handshake: greets at once") {
  FakeCatalog catalog;
  Talk session(catalog);
  CHECK(session.all_output() == std::string("NBDMAGICIHAVEOPT\0\3", 18));
  CHECK(session.outcome().state == State::talking);
  CHECK(catalog.opened == 0);
}

TEST_CASE("handshake: known client flags in any combination, unknown ones close") {
  for (std::uint32_t flags : {0u, 1u, 2u, 3u}) CHECK(talk(client_flags(flags)).state == State::talking);
  for (unsigned bit = 2; bit < 32; ++bit) {
    const Outcome out = talk(client_flags(1u << bit | 1) + option(3));
    CHECK(out.state == State::closed);
    CHECK(out.output.empty());
    CHECK_FALSE(out.reason.empty());
  }
}

TEST_CASE("handshake: options are honoured without C_FIXED_NEWSTYLE, too") {
  CHECK(talk(client_flags(0) + option(8)).output == reply(8, 1));
}

TEST_CASE("handshake: wrong magic closes without a reply") {
  for (std::size_t i = 0; i < 8; ++i) {
    std::string bytes = option(3);
    bytes[i] = static_cast<char>(bytes[i] ^ 1);
    const Outcome out = talk(client_flags() + bytes);
    CHECK(out.state == State::closed);
    CHECK(out.output.empty());
    CHECK_FALSE(out.reason.empty());
  }
  // Behind good options, too, whose replies stay.
  const Outcome out = talk(client_flags() + option(8) + "GET / HTTP/1.1\r\n\r\n");
  CHECK(out.state == State::closed);
  CHECK(out.output == reply(8, 1));
}

TEST_CASE("handshake: an unknown option is UNSUP and the talk goes on") {
  for (std::uint32_t number : {0u, 4u, 11u, 12u, 0x7fffffffu, 0xffffffffu}) {
    CAPTURE(number);
    CHECK(only_type(answer(option(number)), number) == rep_err_unsup);
    CHECK(only_type(answer(option(number, "some data")), number) == rep_err_unsup);
    CHECK(only_type(answer(option(number, std::string(200'000, 'x'))), number) == rep_err_unsup);
  }
}

TEST_CASE("handshake: a claimed length is drained piecemeal, then answered") {
  struct Row {
    std::uint32_t option, type;
  };
  for (auto [number, type] : {Row{77, rep_err_unsup}, Row{3, rep_err_invalid}, Row{5, rep_err_invalid},
                              Row{6, rep_err_too_big}, Row{7, rep_err_too_big}, Row{8, rep_err_invalid}}) {
    CAPTURE(number);
    FakeCatalog catalog;
    Talk session(catalog);
    session.offer(client_flags() + option_header(number, 10'000'000));
    CHECK(session.outcome().consumed == 20);
    const std::string piece(100'000, 'p');
    for (int i = 0; i < 99; ++i) session.offer(piece);
    CHECK(session.outcome().consumed == 20 + 9'900'000);
    session.offer(piece.substr(1));
    CHECK(session.outcome().output.empty());
    session.offer(piece.substr(0, 1) + option(2));
    const std::string output = session.outcome().output;
    CHECK(only_type(output.substr(0, output.size() - 20), number) == type);
    CHECK(session.outcome().reason == "client aborted");
  }
}

TEST_CASE("handshake: the longest option that is read, and one byte more") {
  CHECK(Handshake::max_message() == 16 + Handshake::max_option_data);
  std::string data = info_data("disk");
  data.resize(Handshake::max_option_data, '\0');  // too much behind the name, so INVALID: but read
  CHECK(only_type(answer(option(6, data)), 6) == rep_err_invalid);
  CHECK(only_type(answer(option(6, data + '\0')), 6) == rep_err_too_big);
  // A message as long as max_message() is consumed when offered whole, and not before.
  FakeCatalog catalog;
  Talk session(catalog);
  session.offer(client_flags());
  const std::string message = option(6, data);
  session.offer(message.substr(0, message.size() - 1));
  CHECK(session.outcome().consumed == 4);
  session.offer(message.substr(message.size() - 1));
  CHECK(session.outcome().consumed == 4 + message.size());
}

TEST_CASE("handshake: ABORT is acknowledged, with data, too") {
  for (const std::string& data : {std::string(), std::string("bye"), std::string(100'000, 'x')}) {
    const Outcome out = talk(client_flags() + option(2, data) + option(3));
    CHECK(out.output == reply(2, 1));
    CHECK(out.state == State::closed);
    CHECK(out.consumed == 4 + 16 + data.size());
  }
}

TEST_CASE("handshake: never consumes past its end") {
  const std::string request(28, 'r');
  for (const std::string& last : {option(7, info_data("disk")), option(1, "disk")}) {
    const Outcome out = talk(client_flags() + last + request);
    CHECK(out.state == State::transmission);
    CHECK(out.consumed == 4 + last.size());
  }
}

TEST_CASE("handshake: takes nothing more once it is over") {
  FakeCatalog catalog;
  Handshake done(catalog, {});
  const std::string bytes = client_flags() + option(7, info_data("disk"));
  REQUIRE(done.feed(std::as_bytes(std::span(bytes))) == bytes.size());
  const std::size_t size = done.output().size();
  CHECK(done.feed(std::as_bytes(std::span(bytes))) == 0);
  CHECK(done.output().size() == size);
  CHECK(done.feed({}) == 0);
}

TEST_CASE("handshake: too many options close") {
  FakeCatalog catalog;
  Talk session(catalog);
  session.offer(client_flags());
  for (std::size_t i = 0; i < 1024 + 8 * catalog.exports.size(); ++i) session.offer(option(i % 2 ? 8 : 99));
  REQUIRE(session.outcome().state == State::talking);
  session.offer(option(8));
  CHECK(session.outcome().state == State::closed);
  CHECK(session.outcome().reason == "too many options");
}

TEST_CASE("handshake: a client may ask about every export, however many there are") {
  FakeCatalog catalog;
  for (int i = 0; i < 5000; ++i) catalog.exports.push_back({"export-" + std::to_string(i), "", {.size = 1}, ""});
  Talk session(catalog);
  session.offer(client_flags() + option(8) + option(3));
  for (const auto& e : catalog.exports) {
    session.offer(option(6, info_data(e.name, {0, 1, 2, 3})));
    session.offer(option(9, meta_data(e.name, {})));
    session.offer(option(10, meta_data(e.name, {"base:allocation"})));
  }
  session.offer(option(7, info_data("export-4999")));
  CHECK(session.outcome().reason.empty());
  CHECK(session.outcome().state == State::transmission);
}

TEST_CASE("handshake: options sent without taking the replies close") {
  FakeCatalog catalog;
  for (auto& e : catalog.exports) e.description.assign(4000, 'd');
  const std::string ask = option(6, info_data(catalog.exports.front().name, {2}));
  Handshake handshake(catalog, {});
  std::string bytes = client_flags();
  for (int i = 0; i < 1000; ++i) bytes += ask;
  handshake.feed(std::as_bytes(std::span(bytes)));
  CHECK(handshake.state() == State::closed);
  CHECK(handshake.output().size() > Handshake::max_unsent);
  CHECK(handshake.output().size() < Handshake::max_unsent + 10'000);
  CHECK(handshake.reason() == "options sent without waiting for replies");
  // Who takes them may ask as often.
  Talk patient(catalog);
  patient.offer(client_flags());
  for (int i = 0; i < 1000; ++i) patient.offer(ask);
  CHECK(patient.outcome().state == State::talking);
}

TEST_CASE("handshake: a list of any size is laid out in parts, and the next option is answered behind it") {
  FakeCatalog catalog;
  for (int i = 0; i < 1000; ++i)
    catalog.exports.push_back({"export-" + std::to_string(i), std::string(4000, 'd'), {}, ""});
  Handshake handshake(catalog, {});
  std::string lists = client_flags();
  for (int i = 0; i < 10; ++i) lists += option(3);
  std::span<const std::byte> rest = std::as_bytes(std::span(lists));
  std::size_t parts = 0, bytes = 0;
  while (!rest.empty()) {
    rest = rest.subspan(handshake.feed(rest));
    while (!handshake.output().empty()) {
      CHECK(handshake.output().size() < 70'000);
      bytes += handshake.output().size();
      ++parts;
      handshake.sent();
    }
  }
  CHECK(handshake.state() == State::talking);
  CHECK(bytes > 10 * 4'000'000);
  CHECK(parts > 500);
}
