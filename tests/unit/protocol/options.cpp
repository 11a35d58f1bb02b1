// The options one by one: EXPORT_NAME, LIST, STARTTLS, INFO, GO, STRUCTURED_REPLY.
#include "talk.hpp"

using namespace ashlar;
using namespace ashlar::protocol;
using namespace ashlar::protocol::test;
using State = Handshake::State;

namespace {

constexpr std::uint32_t info = 6, go = 7;
const std::string nul_name("di\0sk", 5);

bool closes_silently(const std::string& option_bytes) {
  const Outcome out = talk(client_flags() + option_bytes + option(2));
  return out.state == State::closed && out.output.empty() && !out.reason.empty() && out.reason != "client aborted";
}

}  // namespace

TEST_CASE("options: EXPORT_NAME enters transmission, with or without zeroes") {
  const std::string head = be64(1 << 20) + be16(0xd6d);
  Outcome out = talk(client_flags(3) + option(1, "disk"));
  CHECK(out.state == State::transmission);
  CHECK(out.output == head);
  CHECK(out.agreement.export_index == 0);
  CHECK(out.agreement.transmission_flags == 0xd6d);
  CHECK_FALSE(out.agreement.structured_replies);
  CHECK_FALSE(out.agreement.base_allocation);
  out = talk(client_flags(1) + option(1, "disk"));
  CHECK(out.state == State::transmission);
  CHECK(out.output == head + std::string(124, '\0'));
  out = talk(client_flags(3) + option(1, "small"));
  CHECK(out.output == be64(1000) + be16(3));
  CHECK(out.agreement.export_index == 1);
}

TEST_CASE("options: EXPORT_NAME after STRUCTURED_REPLY") {
  const Outcome out = talk(client_flags(3) + option(8) + option(1, "disk"));
  CHECK(out.output == reply(8, 1) + be64(1 << 20) + be16(0xded));
  CHECK(out.agreement.structured_replies);
  CHECK(out.agreement.transmission_flags == 0xded);
}

TEST_CASE("options: the empty name is the first export's") {
  CHECK(talk(client_flags(3) + option(1)).output == be64(1 << 20) + be16(0xd6d));
  CHECK(answer(option(info, info_data("", {1}))) ==
        reply(info, 3, disk_export()) + reply(info, 3, be16(1) + "disk") + reply(info, 1));
}

TEST_CASE("options: an export called by the empty name goes before the first") {
  FakeCatalog catalog;
  catalog.exports[1].name = "";
  Talk session(catalog);
  session.offer(client_flags(3) + option(1));
  CHECK(session.outcome().agreement.export_index == 1);
}

TEST_CASE("options: without exports, none is known") {
  FakeCatalog catalog;
  catalog.exports.clear();
  Talk session(catalog);
  session.offer(client_flags() + option(3));
  CHECK(session.outcome().output == reply(3, 1));
  session.offer(option(go, info_data("")));
  CHECK(only_type(session.outcome().output.substr(20), go) == rep_err_unknown);
}

TEST_CASE("options: what cannot be entered can be asked about; GO is refused, and the talk goes on") {
  FakeCatalog catalog;
  catalog.not_entered = "somebody else has it";
  Talk session(catalog);
  session.offer(client_flags() + option(info, info_data("disk")));
  CHECK(catalog.entered == 0);
  CHECK(session.outcome().output == reply(info, 3, disk_export()) + reply(info, 1));
  const std::size_t before = session.outcome().output.size();
  session.offer(option(go, info_data("disk")));
  CHECK(catalog.entered == 1);
  CHECK(session.outcome().output.substr(before) == reply(go, rep_err_policy, "somebody else has it"));
  CHECK(session.outcome().state == State::talking);
  catalog.not_entered.clear();
  session.offer(option(go, info_data("disk")));
  CHECK(session.outcome().state == State::transmission);
}

TEST_CASE("options: EXPORT_NAME of what cannot be entered closes") {
  FakeCatalog catalog;
  catalog.not_entered = "somebody else has it";
  Talk session(catalog);
  session.offer(client_flags() + option(1, "disk"));
  CHECK(session.outcome().state == State::closed);
  CHECK(session.outcome().output.empty());
  CHECK(session.outcome().reason == "export cannot be opened: somebody else has it");
}

TEST_CASE("options: while the server stops all but ABORT are answered with SHUTDOWN, also what cannot be opened") {
  FakeCatalog catalog;
  Talk session(catalog);
  session.offer(client_flags() + option(8));
  catalog.stopping = true;
  const auto answered = [&](std::uint32_t number, std::string_view data = {}) {
    const std::size_t before = session.outcome().output.size();
    session.offer(option(number, data));
    return only_type(session.outcome().output.substr(before), number);
  };
  for (const std::uint32_t number : {3u, 5u, info, go, 8u, 9u, 10u, 4711u}) {
    CAPTURE(number);
    CHECK(answered(number, number == info || number == go ? info_data("disk") : "") ==
          (number == 5 ? rep_err_unsup : rep_err_shutdown));
  }
  CHECK(catalog.opened == 0);
  CHECK(answered(2) == 1);
  CHECK(session.outcome().state == State::closed);
  catalog.not_entered = "the server stops";
  Talk other(catalog);
  other.offer(client_flags() + option(1, "disk"));
  CHECK(other.outcome().output.empty());
  CHECK(other.outcome().reason == "the server stops");
}

TEST_CASE("options: what fails because the server stops meanwhile is answered with SHUTDOWN") {
  // Says that it stops once it has been asked to open something.
  struct Stopping : FakeCatalog {
    Opened open(std::size_t i, std::string_view name) override { return stopping = true, FakeCatalog::open(i, name); }
  } catalog;
  catalog.not_entered = "the server stops";
  const auto answer_to = [&](std::string_view name) {
    catalog.stopping = false;
    Talk session(catalog);
    session.offer(client_flags() + option(go, info_data(name)));
    return session.outcome().output;
  };
  CHECK(answer_to("broken") == reply(go, rep_err_shutdown, "device is busy"));
  CHECK(answer_to("disk") == reply(go, rep_err_shutdown, "the server stops"));
  CHECK(only_type(answer_to("unknown"), go) == rep_err_unknown);
}

TEST_CASE("options: a list that is on its way when the server stops ends with SHUTDOWN") {
  FakeCatalog catalog;
  catalog.exports.resize(1);
  catalog.exports.resize(4000, {"disk", "a disk", {}, ""});
  Handshake handshake(catalog, {});
  handshake.sent();
  const std::string bytes = client_flags() + option(3);
  handshake.feed(std::as_bytes(std::span(bytes)));
  REQUIRE(handshake.output().size() < 4000 * 38);
  catalog.stopping = true;
  handshake.sent();
  const auto output = handshake.output();
  CHECK(only_type({reinterpret_cast<const char*>(output.data()), output.size()}, 3) == rep_err_shutdown);
  handshake.sent();
  CHECK(handshake.output().empty());
  CHECK(handshake.state() == State::talking);
}

TEST_CASE("options: a list that was made while the server stops ends with SHUTDOWN: it may lack something") {
  struct Stopping : FakeCatalog {
    std::shared_ptr<const std::vector<Listed>> listed(std::size_t, std::size_t) override {
      return stopping = true, nullptr;
    }
  } catalog;
  catalog.exports = {{"disk-*", "", {}, "", false, true}};
  Talk session(catalog);
  session.offer(client_flags() + option(3));
  CHECK(only_type(session.outcome().output, 3) == rep_err_shutdown);
}

TEST_CASE("options: what has come in part is answered when its rest is not waited for; what has not is not") {
  FakeCatalog catalog;
  for (const std::uint32_t number : {2u, 3u, go}) {
    CAPTURE(number);
    Talk session(catalog);
    catalog.stopping = true;
    session.offer(client_flags() + option_header(number, 100) + std::string(50, 'x'));
    CHECK(session.outcome().output.empty());
    session.break_off();
    CHECK(only_type(session.outcome().output, number) == (number == 2 ? rep_ack : rep_err_shutdown));
  }
  Talk session(catalog);
  session.offer(client_flags() + option(3) + "IHAVEOPT");
  const std::size_t before = session.outcome().output.size();
  session.break_off();
  CHECK(session.outcome().output.size() == before);
}

TEST_CASE("options: the catalog hears of names asked for in vain") {
  FakeCatalog catalog;
  Talk session(catalog);
  session.offer(client_flags() + option(info, info_data("a")) + option(go, info_data("b")) + option(8) +
                option(9, meta_data("c", {})) + option(10, meta_data("d", {})) + option(info, info_data("disk")) +
                option(1, "e"));
  CHECK(session.outcome().state == State::closed);
  CHECK(catalog.asked_in_vain == std::vector<std::string>{"a", "b", "c", "d", "e"});
}

TEST_CASE("options: EXPORT_NAME that cannot be granted closes") {
  CHECK(closes_silently(option(1, "unknown")));
  CHECK(closes_silently(option(1, "Disk")));
  CHECK(closes_silently(option(1, "disk ")));
  CHECK(closes_silently(option(1, "broken")));
  CHECK(closes_silently(option(1, "\xff")));
  CHECK(closes_silently(option(1, nul_name)));
  CHECK(closes_silently(option(1, std::string(4097, 'n'))));
  CHECK(closes_silently(option_header(1, 0xffffffff)));
  CHECK(talk(client_flags() + option(1, "broken")).reason.find("device is busy") != std::string::npos);
}

TEST_CASE("options: a name of 4096 bytes is a name") {
  FakeCatalog catalog;
  const std::string name(4096, 'n');
  catalog.exports[1].name = name;
  Talk by_name(catalog);
  by_name.offer(client_flags() + option(1, name));
  CHECK(by_name.outcome().agreement.export_index == 1);
  Talk by_go(catalog);
  by_go.offer(client_flags() + option(go, info_data(name)));
  CHECK(by_go.outcome().state == State::transmission);
  CHECK(only_type(answer(option(go, info_data(std::string(4096, 'n')))), go) == rep_err_unknown);
  CHECK(only_type(answer(option(go, info_data(std::string(4097, 'n')))), go) == rep_err_invalid);
}

TEST_CASE("options: LIST gives names and descriptions") {
  CHECK(answer(option(3)) == reply(3, 2, counted("disk") + "a disk") + reply(3, 2, counted("small")) +
                                 reply(3, 2, counted("broken") + "cannot be opened") + reply(3, 1));
  CHECK(only_type(answer(option(3, "x")), 3) == rep_err_invalid);
}

TEST_CASE("options: LIST opens nothing") {
  FakeCatalog catalog;
  Talk session(catalog);
  session.offer(client_flags() + option(3));
  CHECK(catalog.opened == 0);
}

TEST_CASE("options: a description is never longer than a string may be") {
  FakeCatalog catalog;
  catalog.exports.resize(1);
  catalog.exports[0].description = std::string(4095, 'd') + "€";
  Talk session(catalog);
  session.offer(client_flags() + option(3));
  CHECK(session.outcome().output == reply(3, 2, counted("disk") + std::string(4095, 'd')) + reply(3, 1));
}

TEST_CASE("options: many exports are listed") {
  FakeCatalog catalog;
  for (int i = 0; i < 10'000; ++i) catalog.exports.push_back({"export-" + std::to_string(i), "", {}, ""});
  Talk session(catalog);
  session.offer(client_flags() + option(3));
  CHECK(session.outcome().output.ends_with(reply(3, 2, counted("export-9999")) + reply(3, 1)));
}

TEST_CASE("options: STARTTLS is UNSUP, with data INVALID") {
  CHECK(only_type(answer(option(5)), 5) == rep_err_unsup);
  CHECK(only_type(answer(option(5, "x")), 5) == rep_err_invalid);
}

TEST_CASE("options: STRUCTURED_REPLY, repeated, with data") {
  CHECK(answer(option(8)) == reply(8, 1));
  CHECK(answer(option(8) + option(8)) == reply(8, 1) + reply(8, 1));
  CHECK(only_type(answer(option(8, "x")), 8) == rep_err_invalid);
  // A refused one changes nothing.
  CHECK_FALSE(talk(client_flags() + option(8, "x") + option(go, info_data("disk"))).agreement.structured_replies);
  CHECK(talk(client_flags() + option(8) + option(go, info_data("disk"))).agreement.structured_replies);
}

TEST_CASE("options: GO enters transmission, INFO does not") {
  const std::string told = disk_export();
  const Outcome out = talk(client_flags(0) + option(go, info_data("disk")));
  CHECK(out.output == reply(go, 3, told) + reply(go, 1));  // no zeroes behind, whatever the client's flags
  CHECK(out.state == State::transmission);
  CHECK(out.agreement.transmission_flags == 0xd6d);
  CHECK(answer(option(info, info_data("disk"))) == reply(info, 3, told) + reply(info, 1));
  CHECK(answer(option(8) + option(info, info_data("disk"))) ==
        reply(8, 1) + reply(info, 3, disk_export(true)) + reply(info, 1));
}

TEST_CASE("options: information items as asked") {
  const std::string name = reply(info, 3, be16(1) + "disk"), description = reply(info, 3, be16(2) + "a disk");
  const std::string blocks = reply(info, 3, be16(3) + be32(1) + be32(4096) + be32(32 << 20));
  const std::string head = reply(info, 3, disk_export()), ack = reply(info, 1);
  CHECK(answer(option(info, info_data("disk", {0}))) == head + ack);
  CHECK(answer(option(info, info_data("disk", {1}))) == head + name + ack);
  CHECK(answer(option(info, info_data("disk", {2}))) == head + description + ack);
  CHECK(answer(option(info, info_data("disk", {3}))) == head + blocks + ack);
  CHECK(answer(option(info, info_data("disk", {3, 2, 1, 0}))) == head + name + description + blocks + ack);
  CHECK(answer(option(info, info_data("disk", {4, 99, 0xffff}))) == head + ack);      // unknown: ignored
  CHECK(answer(option(info, info_data("disk", {1, 1, 0, 0}))) == head + name + ack);  // repeated: once
}

TEST_CASE("options: block sizes other than the default are told unasked; no empty description") {
  const std::string head = reply(info, 3, small_export), blocks = reply(info, 3, small_blocks);
  CHECK(answer(option(info, info_data("small"))) == head + blocks + reply(info, 1));
  CHECK(answer(option(info, info_data("small", {2, 3}))) == head + blocks + reply(info, 1));
}

TEST_CASE("options: the payload limit is told") {
  FakeCatalog catalog;
  Talk session(catalog, PayloadLimits(1 << 20));
  session.offer(client_flags() + option(info, info_data("disk")));
  CHECK(session.outcome().output == reply(info, 3, disk_export()) +
                                        reply(info, 3, be16(3) + be32(1) + be32(4096) + be32(1 << 20)) +
                                        reply(info, 1));
}

TEST_CASE("options: INFO and GO that cannot be granted are answered, and the talk goes on") {
  for (std::uint32_t number : {info, go}) {
    CHECK(only_type(answer(option(number, info_data("unknown"))), number) == rep_err_unknown);
    const std::string broken = answer(option(number, info_data("broken")));
    CHECK(only_type(broken, number) == rep_err_policy);
    CHECK(broken == reply(number, rep_err_policy, "device is busy"));
    CHECK(only_type(answer(option(number, info_data("\xff"))), number) == rep_err_invalid);
    CHECK(only_type(answer(option(number, info_data(nul_name))), number) == rep_err_invalid);
  }
  CHECK(talk(client_flags() + option(go, info_data("unknown")) + option(go, info_data("disk"))).state ==
        State::transmission);
}

TEST_CASE("options: an error's text is UTF-8 whatever the name of a file is") {
  FakeCatalog catalog;
  catalog.exports[0].error = "no \xe4";
  Talk session(catalog);
  session.offer(client_flags() + option(go, info_data("disk")));
  CHECK(session.outcome().output == reply(go, rep_err_policy, "no \uFFFD"));
}

TEST_CASE("options: an error's text stays a line") {
  FakeCatalog catalog;
  catalog.exports[0].error.assign(100'000, 'e');
  Talk session(catalog);
  session.offer(client_flags() + option(go, info_data("disk")));
  CHECK(session.outcome().output.size() < 1000);
  CHECK(only_type(session.outcome().output, go) == rep_err_policy);
}

TEST_CASE("options: INFO and GO cut off at each byte, or with more behind, are INVALID") {
  for (std::uint32_t number : {info, go}) {
    const std::string data = info_data("disk", {0, 1, 3});
    for (std::size_t n = 0; n < data.size(); ++n) {
      CAPTURE(n);
      CHECK(only_type(answer(option(number, data.substr(0, n))), number) == rep_err_invalid);
    }
    CHECK(only_type(answer(option(number, data + '\0')), number) == rep_err_invalid);
    CHECK(only_type(answer(option(number, data + be16(1))), number) == rep_err_invalid);
    // Lengths that claim more than there is, or wrap around.
    CHECK(only_type(answer(option(number, be32(0xffffffff) + "disk" + be16(0))), number) == rep_err_invalid);
    CHECK(only_type(answer(option(number, be32(6) + "disk" + be16(0))), number) == rep_err_invalid);
    CHECK(only_type(answer(option(number, counted("disk") + be16(0xffff))), number) == rep_err_invalid);
  }
}

TEST_CASE("options: INFO, then GO of the same export, opens once") {
  FakeCatalog catalog;
  Talk session(catalog);
  session.offer(client_flags() + option(8) + option(10, meta_data("disk", {"base:allocation"})));
  session.offer(option(info, info_data("disk")));
  session.offer(option(go, info_data("")));
  CHECK(session.outcome().state == State::transmission);
  CHECK(catalog.opened == 1);
}
