#include "protocol/errors.hpp"

#include <set>
#include <string>

#include "catch.hpp"

using namespace ashlar::protocol;

TEST_CASE("errors: the mapping of the text") {
  struct Row {
    int from;
    std::uint32_t to;
  };
  for (auto [from, to] :
       {Row{0, 0}, Row{EPERM, 1}, Row{EACCES, 1}, Row{EROFS, 1}, Row{EIO, 5}, Row{ENOMEM, 12}, Row{EINVAL, 22},
        Row{EOVERFLOW, 22}, Row{ENOSPC, 28}, Row{EDQUOT, 28}, Row{EFBIG, 28}, Row{ESHUTDOWN, 108}}) {
    CAPTURE(from);
    CHECK(wire_error(from, false) == to);
    CHECK(wire_error(from, true) == to);
  }
}

TEST_CASE("errors: ENOTSUP only in answer to FAST_ZERO") {
  CHECK(wire_error(ENOTSUP, true) == 95);
  CHECK(wire_error(EOPNOTSUPP, true) == 95);
  CHECK(wire_error(ENOTSUP, false) == 22);
}

TEST_CASE("errors: every errno number becomes one of the protocol's, never success") {
  const std::set<std::uint32_t> allowed = {1, 5, 12, 22, 28, 95, 108};
  for (int number = -5; number < 300; ++number) {
    if (number == 0) continue;
    CAPTURE(number);
    CHECK(allowed.contains(wire_error(number, true)));
  }
  CHECK(wire_error(ENXIO, false) == 5);
  CHECK(wire_error(100000, false) == 5);
}

TEST_CASE("errors: each has its own text") {
  std::set<std::string> texts;
  for (std::uint32_t error : {0u, 1u, 5u, 12u, 22u, 28u, 75u, 95u, 108u, 4711u}) texts.insert(error_text(error));
  CHECK(texts.size() == 10);
  CHECK_FALSE(texts.contains(""));
}
