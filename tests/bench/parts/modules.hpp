// A plugin that does nothing, and a stack of filters on it, in this process.
#pragma once
#include <ashlar/filter.hpp>
#include <ashlar/plugin.hpp>
#include <ashlar/testing/harness.hpp>
#include <memory>
#include <vector>

namespace ashlar::bench {

class Nothing final : public Plugin {
 public:
  Geometry describe() override { return {.size = 1u << 30, .flags = Flag::promises | Flag::nowait}; }
  Status read(Io&) noexcept override { return Status::success(); }
};
inline constexpr ashlar_module nothing =
    detail::Thunks<Nothing>::module(About{.name = "nothing", .threads = Threads::parallel});

// Layers from the plugin up, with one device each.
class Stack {
 public:
  explicit Stack(const testing::FakeHost& host) : host_(host) {
    layers_.push_back(std::make_unique<testing::TestLayer>(nothing, host));
    devices_.push_back(layers_.back()->open());
  }
  ~Stack() {
    while (!devices_.empty()) devices_.pop_back();  // from the top down
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void add(const ashlar_module& filter, const testing::Given& given = {}) {
    layers_.push_back(std::make_unique<testing::TestLayer>(filter, host_, given));
    devices_.push_back(layers_.back()->open_over(*devices_.back()));
  }
  const testing::TestDevice& top() const { return *devices_.back(); }

 private:
  const testing::FakeHost& host_;
  std::vector<std::unique_ptr<testing::TestLayer>> layers_;
  std::vector<std::unique_ptr<testing::TestDevice>> devices_;
};

}  // namespace ashlar::bench
