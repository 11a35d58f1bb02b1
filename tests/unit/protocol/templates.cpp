// Templates in the handshake: what LIST tells of, and names that are found by them.
#include "talk.hpp"

namespace ashlar::protocol::test {
namespace {

constexpr std::uint32_t opt_list = 3, opt_info = 6, opt_go = 7;
constexpr std::uint32_t rep_ack = 1, rep_server = 2, err_unknown = 0x80000006, err_tls = 0x80000005;

// Behind a template, a plain export; "images/a" is found by name, "images/gone" is not there when it is opened.
struct Templates : FakeCatalog {
  Templates() {
    exports = {{"images/*", "a template", {}, "", false, true}, {"disk", "a disk", {.size = 1 << 20}, ""}};
    of_templates = {{"images/a", "one"}, {"images/b", ""}};
    others = {{"images/a", "", {.size = 4096}, ""}, {"images/gone", "", {}, "gone"}};
  }
};

// What the server answers to `options`.
std::string answers(Catalog& catalog, const std::string& options, TlsMode tls = TlsMode::off) {
  Talk talk(catalog, {}, tls);
  talk.offer(client_flags() + options);
  return talk.outcome().output;
}

std::string listed(std::string_view name, std::string_view description) {
  return reply(opt_list, rep_server, counted(name).append(description));
}

bool says(const std::string& output, std::uint32_t option, std::uint32_t type) {
  return output.find(be64(0x3e889045565a9) + be32(option) + be32(type)) != std::string::npos;
}

}  // namespace

TEST_CASE("templates: LIST tells of what they stand for, in their place, and not of themselves") {
  Templates catalog;
  CHECK(answers(catalog, option(opt_list)) == listed("images/a", "one") + listed("images/b", "a template") +
                                                  listed("disk", "a disk") + reply(opt_list, rep_ack));
  CHECK(catalog.most_wanted == Handshake::max_listed);
}

TEST_CASE("templates: many names are listed in parts, which are asked for once") {
  Templates catalog;
  catalog.of_templates.clear();
  std::string all;
  for (int i = 0; i < 10'000; ++i) {
    catalog.of_templates.push_back({"images/" + std::to_string(i), ""});
    all += listed(catalog.of_templates.back().name, "a template");
  }
  Handshake handshake(catalog, {});
  const std::string asked = client_flags() + option(opt_list);
  handshake.sent();
  REQUIRE(handshake.feed(std::as_bytes(std::span(asked))) == asked.size());
  std::string told;
  while (!handshake.output().empty()) {
    CHECK(handshake.output().size() < 70'000);
    told.append(reinterpret_cast<const char*>(handshake.output().data()), handshake.output().size());
    catalog.of_templates.clear();
    handshake.sent();
  }
  CHECK(told == all + listed("disk", "a disk") + reply(opt_list, rep_ack));
}

TEST_CASE("templates: all together list so many names") {
  Templates catalog;
  catalog.exports.push_back(catalog.exports[0]);
  answers(catalog, option(opt_list));
  CHECK(catalog.most_wanted == Handshake::max_listed - 2);
}

TEST_CASE("templates: a name that one stands for is opened; itself and what is not there are no exports") {
  Templates catalog;
  Talk talk(catalog);
  talk.offer(client_flags() + option(opt_info, info_data("images/*")) + option(opt_info, info_data("images/gone")) +
             option(opt_info, info_data("images/b")));
  CHECK(catalog.asked_in_vain == std::vector<std::string>{"images/*", "images/gone", "images/b"});
  CHECK(says(talk.outcome().output, opt_info, err_unknown));
  talk.offer(option(opt_go, info_data("images/a")));
  CHECK(talk.outcome().state == Handshake::State::transmission);
  CHECK(talk.outcome().agreement.export_index == 2);
}

TEST_CASE("templates: the empty name is that of the first export that is none") {
  Templates catalog;
  Talk talk(catalog);
  talk.offer(client_flags() + option(opt_go, info_data("")));
  CHECK(talk.outcome().agreement.export_index == 1);
  catalog.exports.pop_back();
  CHECK(says(answers(catalog, option(opt_go, info_data(""))), opt_go, err_unknown));
}

TEST_CASE("templates: of EXPORT_NAME what is not there ends the talk") {
  Templates catalog;
  Talk talk(catalog);
  talk.offer(client_flags() + option(1, "images/gone"));
  CHECK(talk.outcome().reason == "unknown export");
}

TEST_CASE("templates: one for clients by TLS lists nothing to others, who learn of no name") {
  Templates catalog;
  catalog.exports[0].requires_tls = true;
  CHECK(answers(catalog, option(opt_list), TlsMode::allow) == listed("disk", "a disk") + reply(opt_list, rep_ack));
  catalog.others.clear();
  CHECK(says(answers(catalog, option(opt_info, info_data("images/a")), TlsMode::allow), opt_info, err_tls));
}

TEST_CASE("templates: who has listed many may ask about each") {
  Templates catalog;
  catalog.of_templates.assign(1000, {"images/a", ""});
  Talk talk(catalog);
  talk.offer(client_flags() + option(opt_list));
  for (int i = 0; i < 8000; ++i) talk.offer(option(opt_info, info_data("images/a")));
  CHECK(talk.outcome().state == Handshake::State::talking);
}

}  // namespace ashlar::protocol::test
