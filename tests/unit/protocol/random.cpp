// Random and mutated input from fixed seeds: nothing crashes, nothing grows, what is let through obeys the contract.
#include <algorithm>
#include <random>

#include "protocol/admission.hpp"
#include "scripts.hpp"

using namespace ashlar;
using namespace ashlar::protocol;
using namespace ashlar::protocol::test;

namespace {

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return engine_() % n; }
  std::uint64_t bits() { return std::uint64_t{engine_()} << 32 | engine_(); }
  template <class C>
  const auto& pick(const C& from) {
    return from[below(std::size(from))];
  }

 private:
  std::mt19937 engine_;
};

void mutate(Random& random, std::string& bytes, const std::vector<std::string>& all) {
  const std::size_t at = random.below(bytes.size());
  switch (random.below(6)) {
    case 0: bytes[at] = static_cast<char>(random.below(256)); break;
    case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8))); break;
    case 2: bytes.erase(at, 1 + random.below(8)); break;
    case 3: bytes.insert(at, std::string(1 + random.below(8), static_cast<char>(random.below(256)))); break;
    case 4: bytes += random.pick(all).substr(4); break;  // options follow options
    default: bytes.insert(at, random.pick(all).substr(random.below(4)));
  }
  if (bytes.empty()) bytes.assign(1, 'x');
}

// Whether what came of `bytes` keeps the promises of handshake.hpp.
bool sound(const Talk& session, std::size_t bytes) {
  const Outcome out = session.outcome();
  if (out.overran || out.consumed > bytes) return false;
  if (session.all_output().size() > greeting.size() + 640 * (bytes / 16 + 1)) return false;
  switch (out.state) {
    case Handshake::State::talking:
    case Handshake::State::upgrade: return out.reason.empty();
    case Handshake::State::closed: return !out.reason.empty();
    case Handshake::State::transmission:
      return out.reason.empty() && (out.agreement.transmission_flags & flag_has_flags) &&
             (!out.agreement.base_allocation || out.agreement.structured_replies);
  }
  return false;
}

}  // namespace

TEST_CASE("random: mutated handshakes") {
  Random random(4711);
  const std::vector<std::string> all = scripts();
  FakeCatalog catalog;
  int entered = 0, closed = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = random.pick(all);
    for (std::size_t n = random.below(4); n > 0; --n) mutate(random, bytes, all);
    const std::size_t cut = random.below(bytes.size() + 1);
    Talk session(catalog);
    session.offer(std::string_view(bytes).substr(0, cut));
    session.offer(std::string_view(bytes).substr(cut));
    if (!sound(session, bytes.size())) FAIL("iteration " << i);
    entered += session.outcome().state == Handshake::State::transmission;
    closed += session.outcome().state == Handshake::State::closed;
  }
  // The mutations are neither too tame nor too wild to reach both ends.
  CHECK(entered > 10'000);
  CHECK(closed > 10'000);
}

TEST_CASE("random: mutated handshakes with STARTTLS between them") {
  constexpr TlsMode modes[] = {TlsMode::off, TlsMode::allow, TlsMode::require};
  Random random(815);
  const std::vector<std::string> all = scripts();
  FakeCatalog catalog;
  catalog.exports[1].requires_tls = true;
  int upgraded = 0, entered_before = 0, entered_after = 0, kept_out = 0;
  for (int i = 0; i < 60'000; ++i) {
    const TlsMode mode = random.pick(modes);
    std::string before = random.below(2) ? client_flags() : random.pick(all), after = random.pick(all);
    if (random.below(2)) mutate(random, before, all);
    if (random.below(2)) mutate(random, after, all);
    after.erase(0, std::min<std::size_t>(after.size(), 4));  // the client's flags have been sent
    Talk session(catalog, {}, mode);
    session.offer(before);
    session.offer(option(5));
    const bool is_upgraded = session.outcome().state == Handshake::State::upgrade;
    if (is_upgraded) session.secure();
    session.offer(after);
    const Outcome out = session.outcome();
    const bool entered = out.state == Handshake::State::transmission;
    const bool allowed = is_upgraded || (mode != TlsMode::require && out.agreement.export_index != 1);
    const bool unwanted = mode == TlsMode::off && is_upgraded;
    if (!sound(session, before.size() + 16 + after.size()) || (entered && !allowed) || unwanted)
      FAIL("iteration " << i);
    upgraded += is_upgraded;
    (is_upgraded ? entered_after : entered_before) += entered;
    kept_out += !is_upgraded && mode == TlsMode::require;
  }
  CHECK(upgraded > 10'000);
  CHECK(entered_before > 2'000);
  CHECK(entered_after > 2'000);
  CHECK(kept_out > 1'000);
}

TEST_CASE("random: noise") {
  Random random(42);
  FakeCatalog catalog;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = i % 2 ? client_flags() : std::string();
    for (std::size_t n = random.below(200); n > 0; --n) bytes += static_cast<char>(random.below(256));
    Talk session(catalog);
    session.offer(bytes);
    if (!sound(session, bytes.size())) FAIL("iteration " << i);
  }
}

namespace {

Admission random_admission(Random& random) {
  constexpr std::uint64_t sizes[] = {0, 1, 511, 512, 1000, 65536, 1 << 20, 1ull << 32, 0x7fffffffffffffff};
  constexpr std::uint32_t minima[] = {1, 1, 512, 4096, 65536};
  return {.size = random.pick(sizes),
          .minimum = random.pick(minima),
          .max_payload = std::uint32_t{1} << (16 + random.below(11)),
          .transmission_flags = static_cast<std::uint16_t>(random.bits() | 1),
          .structured = random.below(2) == 0,
          .base_allocation = random.below(2) == 0,
          .offered = Flags{random.bits()} & Flag::promises};
}

Request random_request(Random& random, const Admission& in) {
  const std::uint64_t edges[] = {0, 1, 511, 512, 4096, in.size, in.size - 1, in.size / 2, 0xffffffff, random.bits()};
  return {.flags = static_cast<std::uint16_t>(random.below(4) ? 1u << random.below(16) : 0u),
          .type = static_cast<std::uint16_t>(random.below(10)),
          .cookie = random.bits(),
          .offset = random.pick(edges) & -std::uint64_t{in.minimum},
          .length = static_cast<std::uint32_t>(random.pick(edges))};
}

// What abi.h promises to the layers about a request.
bool keeps_contract(const Request& request, const Admission& in, const Verdict& v) {
  if (v.op == Op::flush) return in.transmission_flags & flag_send_flush;
  const bool writes = Ops::writing().has(Ops{v.op});
  const std::uint64_t end = request.offset + request.length;
  return request.length > 0 && end > request.offset && end <= in.size && request.offset % in.minimum == 0 &&
         (end % in.minimum == 0 || end == in.size) && in.offered.has(v.layer_flags) &&
         !(writes && (in.transmission_flags & flag_read_only)) &&
         ((v.op != Op::read && v.op != Op::write) || request.length <= in.max_payload);
}

}  // namespace

TEST_CASE("random: admitted requests keep the layers' contract") {
  Random random(1);
  int run = 0;
  for (int i = 0; i < 300'000; ++i) {
    const Admission in = random_admission(random);
    const Request request = random_request(random, in);
    const Verdict v = admit(request, in);
    const bool refused = v.kind == Verdict::Kind::refuse;
    run += v.kind == Verdict::Kind::run;
    if (refused != (v.error != error_none) || refused != (*v.text != '\0') ||
        v.payload != (request.type == cmd_write ? request.length : 0) ||
        (v.kind == Verdict::Kind::run && !keeps_contract(request, in, v)))
      FAIL("iteration " << i);
  }
  CHECK(run > 5'000);
}
