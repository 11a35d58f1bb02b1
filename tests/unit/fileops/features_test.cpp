// What a kernel or a file system may lack beside ways to zero: it is said once and not asked for again; EINVAL says
// nothing of the next time.
#include <ashlar/testing/extent_list.hpp>

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

// A backend whose disk refuses one feature, and an operation that asks for it.
struct Case {
  Case(Feature of, int with) : feature(of), error(with), b(Kind::file) {
    if (feature == Feature::cachestat) b.disk.cached = -error;
    else b.disk.fault = [this](Call call) { return refuses(call) ? -error : 0; };
  }

  // Does it, and checks that it succeeds although the feature is refused.
  void use() {
    std::vector<std::byte> bytes(64 * K);
    ashlar::testing::ExtentList told;
    switch (feature) {
      case Feature::read_nowait: {
        const int status = b.read({0, 4096}, bytes, Flag::nowait);
        // EINVAL may be of this one call: it is left to one that may wait.
        CHECK(status == (error == EINVAL ? EAGAIN : 0));
        break;
      }
      case Feature::write_dsync: CHECK(b.write({0, 4096}, 1, Flag::fua) == 0); break;
      case Feature::cachestat: {
        Io io = Io::lend_only(0, 64 * K, Flag::may_lend_cold);
        CHECK(b.backend->read(io) == Status::would_block());  // it may be in memory
        Io with_memory = Io::read(0, bytes, Flag::may_lend);
        CHECK(b.backend->read(with_memory).ok());
        CHECK_FALSE(with_memory.lent());
        break;
      }
      case Feature::seek_data: {
        Io io(Op::extents, 0, M);
        io.set_sink(&told);
        CHECK(b.backend->extents(io).ok());
        CHECK(told.total() == M);
        break;
      }
    }
  }
  // How often the kernel was asked for it.
  int asked() const { return feature == Feature::cachestat ? b.disk.cached_asked : asked_; }

  const Feature feature;
  const int error;
  Bench b;

 private:
  bool refuses(Call call) {
    const bool asks = (feature == Feature::read_nowait && call == Call::read && b.disk.read_flags != 0) ||
                      (feature == Feature::write_dsync && call == Call::write && b.disk.write_flags != 0) ||
                      (feature == Feature::seek_data && call == Call::seek);
    asked_ += asks ? 1 : 0;
    return asks;
  }
  int asked_ = 0;
};

constexpr Feature features[] = {Feature::read_nowait, Feature::write_dsync, Feature::cachestat, Feature::seek_data};

}  // namespace

TEST_CASE("a feature that is not supported is said once, and not asked for again") {
  const auto [error, text] = GENERATE(table<int, std::string>({{EOPNOTSUPP, "EOPNOTSUPP"}, {ENOSYS, "ENOSYS"}}));
  for (const Feature feature : features) {
    Case c(feature, error);
    for (int i = 0; i < 3; ++i) c.use();
    INFO(ashlar::fileops::name(feature));
    CHECK(c.asked() == 1);
    CHECK(c.b.backend->abilities().lacks(feature));
    CHECK(c.b.log.info ==
          std::vector<std::string>{std::string(ashlar::fileops::name(feature)) + " is not supported here (" + text +
                                   ") and will not be tried again"});
  }
}

TEST_CASE("EINVAL says nothing of the next time") {
  for (const Feature feature : features) {
    Case c(feature, EINVAL);
    for (int i = 0; i < 3; ++i) c.use();
    INFO(ashlar::fileops::name(feature));
    CHECK(c.asked() >= 3);
    CHECK_FALSE(c.b.backend->abilities().lacks(feature));
    CHECK(c.b.log.info.empty());
  }
}

TEST_CASE("cachestat refuses who may not write: that is said once, too") {
  Case c(Feature::cachestat, EPERM);
  for (int i = 0; i < 3; ++i) c.use();
  CHECK(c.asked() == 1);
  CHECK(c.b.log.info ==
        std::vector<std::string>{"cachestat is not supported here (EPERM) and will not be tried again"});
}

TEST_CASE("what is lacking is no feature that was not asked for") {
  Case c(Feature::write_dsync, EOPNOTSUPP);
  c.use();
  for (const Feature feature : features)
    CHECK(c.b.backend->abilities().lacks(feature) == (feature == Feature::write_dsync));
  CHECK(c.b.unsupported() == Methods{});
}
