// What exports do beside each other: those that may wait for other machines at once, the others one after the other.
#include "chain/beside.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

constexpr std::chrono::seconds patience{60};            // only a failure takes so long
constexpr std::chrono::milliseconds for_one_more{200};  // that must not come

constexpr ashlar_connects connects_table{sizeof(ashlar_connects), 0};

const void* connects_extension(const char* id) noexcept {
  return std::strcmp(id, ASHLAR_CONNECTS_ID) == 0 ? &connects_table : nullptr;
}

// Exports of plugins that connect ('f', far) or do not ('n', near).
struct Several {
  FakeModule near{ModuleKind::plugin, "near"}, far{ModuleKind::plugin, "far"};
  std::shared_ptr<Activity> activity = Activity::make();
  std::vector<std::unique_ptr<FakeExport>> made;
  Exports exports;
  Mistakes mistakes;
  std::vector<std::string> warnings;

  explicit Several(const std::string& kinds) {
    far.set_extension(&connects_extension);
    for (const char kind : kinds) {
      FakeModule& plugin = kind == 'f' ? far : near;
      made.push_back(
          std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin}, FakeExport::Settings{.activity = activity}));
      exports.push_back(made.back()->shared());
    }
  }
  std::set<std::size_t> take(const Step& step) { return take_beside(exports, step, mistakes, warnings); }
};

// Which steps are under way, and which are over.
class Course {
 public:
  void enter(std::size_t index) {
    const std::lock_guard lock(mutex_);
    order_.push_back(index);
    most_ = std::max(most_, ++under_way_);
    changed_.notify_all();
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --under_way_;
    ++over_;
    changed_.notify_all();
  }
  // Whether so many have begun; false: it was waited for in vain.
  bool have_begun(std::size_t count, std::chrono::milliseconds longest = patience) {
    return wait([&] { return order_.size() >= count; }, longest);
  }
  bool are_over(std::size_t count) {
    return wait([&] { return over_ >= count; });
  }
  // [no step is under way]
  std::size_t most() const { return most_; }
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  template <class Holds>
  bool wait(Holds holds, std::chrono::milliseconds longest = patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, longest, holds);
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t under_way_ = 0, most_ = 0, over_ = 0;
  std::vector<std::size_t> order_;
};

}  // namespace

TEST_CASE("beside: whose plugin connects is told by its module") {
  const Several several("nf");
  CHECK_FALSE(several.exports[0]->connects());
  CHECK(several.exports[1]->connects());
}

TEST_CASE("beside: those that connect are under way at once, up to 16 of them") {
  const std::size_t count = GENERATE(2, 16, 40);
  Several several(std::string(count, 'f'));
  Course course;
  std::atomic<bool> in_vain{false};
  several.take([&](std::size_t index) {
    course.enter(index);
    if (!course.have_begun(std::min<std::size_t>(count, 16))) in_vain = true;
    if (count > 16) course.have_begun(17, for_one_more);  // while none of the 16 has left, one too many would be seen
    course.leave();
    return std::string();
  });
  CHECK_FALSE(in_vain);
  CHECK(course.most() == std::min<std::size_t>(count, 16));
  std::vector<std::size_t> order = course.order();
  std::sort(order.begin(), order.end());
  CHECK(order.size() == count);
  CHECK(std::adjacent_find(order.begin(), order.end()) == order.end());
}

TEST_CASE("beside: the others come before, one after the other, on the calling thread") {
  Several several("nfnfn");
  Course course;
  const std::thread::id here = std::this_thread::get_id();
  std::atomic<bool> elsewhere{false};
  several.take([&](std::size_t index) {
    course.enter(index);
    if (!several.exports[index]->connects() && std::this_thread::get_id() != here) elsewhere = true;
    course.leave();
    return std::string();
  });
  CHECK_FALSE(elsewhere);
  CHECK(std::vector(course.order().begin(), course.order().begin() + 3) == std::vector<std::size_t>{0, 2, 4});
}

TEST_CASE("beside: mistakes and warnings are told in the order of the exports, whichever came first") {
  Several several("ffnf");
  Course course;
  const auto mistaken = several.take([&](std::size_t index) -> std::string {
    course.enter(index);
    if (index == 0) course.are_over(3);
    course.leave();
    if (index == 1) return "warning 1";
    throw ConfigError({}, {}, "mistake " + std::to_string(index));
  });
  CHECK(mistaken == std::set<std::size_t>{0, 2, 3});
  CHECK(several.warnings == std::vector<std::string>{"warning 1"});
  std::string told;
  for (const Mistake& one : several.mistakes.all()) told += one.what + ";";
  CHECK(told == "mistake 0;mistake 2;mistake 3;");
}

TEST_CASE("beside: what is no mistake ends the whole, when no step is under way any more") {
  Several several("fff");
  Course course;
  const auto step = [&](std::size_t index) -> std::string {
    course.enter(index);
    if (index != 1) course.are_over(1);
    course.leave();
    if (index == 1) throw std::runtime_error("out of order");
    return "a warning";
  };
  CHECK_THROWS_WITH(several.take(step), "out of order");
  CHECK(course.are_over(3));
  CHECK(several.warnings.empty());
}

TEST_CASE("beside: when the server is told to stop, nothing is told of what that has cancelled") {
  Several several("ff");
  const auto step = [&](std::size_t) -> std::string {
    several.activity->stop();
    throw ConfigError({}, {}, "cancelled");
  };
  CHECK_THROWS_AS(several.take(step), Stopped);
  CHECK(several.mistakes.size() == 0);
}

TEST_CASE("beside: without exports there is nothing to do") {
  Several several("");
  CHECK(several.take([](std::size_t) -> std::string { throw std::runtime_error("a step"); }).empty());
}

}  // namespace ashlar::host
