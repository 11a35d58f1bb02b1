// A client's side of the handshake for tests: builds messages, offers them to a Handshake, collects what it answers.
// Bytes are kept in strings.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "protocol/handshake.hpp"

namespace ashlar::protocol::test {

inline std::string number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
inline std::string be16(std::uint64_t value) { return number(value, 2); }
inline std::string be32(std::uint64_t value) { return number(value, 4); }
inline std::string be64(std::uint64_t value) { return number(value, 8); }
inline std::string counted(std::string_view text) { return be32(text.size()).append(text); }

// From the client.
inline std::string client_flags(std::uint32_t flags = 3) { return be32(flags); }
inline std::string option_header(std::uint32_t number, std::uint32_t length) {
  return std::string("IHAVEOPT").append(be32(number)).append(be32(length));
}
inline std::string option(std::uint32_t number, std::string_view data = {}) {
  return option_header(number, static_cast<std::uint32_t>(data.size())).append(data);
}
inline std::string info_data(std::string_view name, std::initializer_list<int> items = {}) {
  std::string data = counted(name) + be16(items.size());
  for (int item : items) data += be16(static_cast<std::uint64_t>(item));
  return data;
}
inline std::string meta_data(std::string_view name, std::initializer_list<std::string_view> queries) {
  std::string data = counted(name) + be32(queries.size());
  for (std::string_view query : queries) data += counted(query);
  return data;
}

// From the server.
inline std::string reply(std::uint32_t option, std::uint32_t type, std::string_view data = {}) {
  return be64(0x3e889045565a9) + be32(option) + be32(type) + counted(data);
}
inline const std::string greeting = std::string("NBDMAGICIHAVEOPT").append(be16(3));

// Three exports; opening is counted, and keeps the rules of Catalog::open.
class FakeCatalog : public Catalog {
 public:
  struct Entry {
    std::string name, description;
    Geometry geometry;
    std::string error;  // not empty: cannot be opened
    bool requires_tls = false;
    bool is_template = false;
  };
  std::vector<Entry> exports = {
      {"disk", "a disk", {.size = 1 << 20, .flags = Flag::promises, .multi_conn = true}, ""},
      {"small",
       "",
       {.size = 1000, .ops = Ops{Op::read}, .minimum = 512, .preferred = 65536, .maximum = 1 << 20, .read_only = true},
       ""},
      {"broken", "cannot be opened", {}, "device is busy"},
  };
  int opened = 0;  // how often a backend was opened
  int entered = 0;
  std::string not_entered;  // not empty: why transmission cannot begin
  std::vector<std::string> asked_in_vain;
  bool stopping = false;
  std::vector<Listed> of_templates;  // what each template lists
  std::vector<Entry> others;         // what other() finds, behind the exports
  std::size_t most_wanted = 0;       // by listed()

  std::size_t size() const override { return exports.size(); }
  const Entry& entry(std::size_t i) const { return i < exports.size() ? exports[i] : others[i - exports.size()]; }
  std::string_view name(std::size_t i) const override { return entry(i).name; }
  std::string_view description(std::size_t i) const override { return entry(i).description; }
  bool requires_tls(std::size_t i) const override { return entry(i).requires_tls; }
  bool is_template(std::size_t i) const override { return entry(i).is_template; }
  std::shared_ptr<const std::vector<Listed>> listed(std::size_t, std::size_t most) override {
    most_wanted = most;
    return of_templates.empty() ? nullptr : std::make_shared<const std::vector<Listed>>(of_templates);
  }
  std::optional<std::size_t> other(std::string_view name) override {
    for (std::size_t i = 0; i < others.size(); ++i)
      if (others[i].name == name) return exports.size() + i;
    return std::nullopt;
  }
  Opened open(std::size_t i, std::string_view) override {
    if (entry(i).error == "gone") return {.is_there = false};
    if (!entry(i).error.empty()) return {nullptr, entry(i).error};
    if (current_ != i + 1) ++opened;
    current_ = i + 1;
    return {&entry(i).geometry, ""};
  }
  std::string enter() override {
    ++entered;
    if (!not_entered.empty()) current_ = 0;
    return not_entered;
  }
  bool stops() const override { return stopping; }
  void unknown(std::string_view name) override { asked_in_vain.emplace_back(name); }

 private:
  std::size_t current_ = 0;  // open export + 1
};

// INFO_EXPORT of the fake's first two. disk: all that a writable export can offer; DF only with structured replies.
inline std::string disk_export(bool structured = false) {
  return be16(0) + be64(1 << 20) + be16(structured ? 0xded : 0xd6d);
}
inline const std::string small_export = be16(0) + be64(1000) + be16(0x3);
inline const std::string small_blocks = be16(3) + be32(512) + be32(65536) + be32(1 << 20);

struct Outcome {
  std::string output;  // behind the greeting
  Handshake::State state = Handshake::State::talking;
  Agreement agreement;
  std::string reason;
  std::size_t consumed = 0;
  bool overran = false;  // claimed to have consumed more than was offered

  friend bool operator==(const Outcome& a, const Outcome& b) {
    return a.output == b.output && a.state == b.state && a.reason == b.reason && a.consumed == b.consumed &&
           a.agreement.export_index == b.agreement.export_index &&
           a.agreement.structured_replies == b.agreement.structured_replies &&
           a.agreement.base_allocation == b.agreement.base_allocation &&
           a.agreement.transmission_flags == b.agreement.transmission_flags;
  }
};

// Offers the parts one after the other, each with what was left of those before.
class Talk {
 public:
  explicit Talk(Catalog& catalog, PayloadLimits limits = {}, TlsMode tls = TlsMode::off)
      : handshake_(catalog, limits, tls) {
    collect();
  }

  void offer(std::string_view part) {
    pending_.append(part);
    while (const std::size_t n = handshake_.feed(std::as_bytes(std::span(pending_)))) {
      outcome_.overran |= n > pending_.size();
      outcome_.consumed += n;
      pending_.erase(0, n);
      collect();
    }
    collect();
  }
  Outcome outcome() const {
    Outcome out = outcome_;
    if (out.output.starts_with(greeting)) out.output.erase(0, greeting.size());
    out.state = handshake_.state();
    out.agreement = handshake_.agreement();
    out.reason = handshake_.reason();
    return out;
  }
  // What follows comes by TLS.
  void secure() { handshake_.secured(); }
  void break_off() {
    handshake_.break_off();
    collect();
  }
  const std::string& all_output() const { return outcome_.output; }

 private:
  void collect() {
    for (auto output = handshake_.output(); !output.empty(); output = handshake_.output()) {
      outcome_.output.append(reinterpret_cast<const char*>(output.data()), output.size());
      handshake_.sent();
    }
  }
  Handshake handshake_;
  std::string pending_;
  Outcome outcome_;
};

inline Outcome talk(std::string_view bytes) {
  FakeCatalog catalog;
  Talk session(catalog);
  session.offer(bytes);
  return session.outcome();
}

// What is answered to one option right after the client's flags; the talk has to go on behind it.
inline std::string answer(std::string_view option_bytes) {
  const std::string abort = reply(2, 1);
  Outcome out = talk(client_flags().append(option_bytes) + option(2));
  REQUIRE(out.state == Handshake::State::closed);
  REQUIRE(out.reason == "client aborted");
  REQUIRE(out.output.ends_with(abort));
  return out.output.substr(0, out.output.size() - abort.size());
}

// The type of the only reply in `answer`, which is to `option`; 0 if that is not so.
inline std::uint32_t only_type(std::string_view answer, std::uint32_t option) {
  if (answer.size() < 20 || answer.substr(0, 12) != be64(0x3e889045565a9) + be32(option)) return 0;
  const auto get = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<std::uint8_t>(answer[i]);
    return value;
  };
  return answer.size() == 20 + get(16) ? get(12) : 0;
}

}  // namespace ashlar::protocol::test
