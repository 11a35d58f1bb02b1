// FakeControl: the service ashlar.control/1 for tests of a module.
#pragma once
#include <ashlar/abi.h>

#include <ashlar/rules/name.hpp>
#include <ashlar/testing/refused.hpp>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ashlar::testing {

// Keeps its address; outlives the layers that have it. Of verbs of one name, that of the layer created last is called.
// [one thread]
class FakeControl {
 public:
  FakeControl() = default;
  FakeControl(const FakeControl&) = delete;
  FakeControl& operator=(const FakeControl&) = delete;

  const ashlar_control* services() const { return &services_; }
  // What is offered from now on is another layer's: TestLayer calls it before create.
  void begin_create() const { of_this_layer_.clear(); }

  // Has a layer answer `verb`. Throws Refused when it fails, std::out_of_range when none has offered it.
  std::string call(const std::string& verb, const std::vector<std::string>& arguments = {}) const {
    return call_over(nullptr, nullptr, verb, arguments);
  }
  // The same with a TestDevice or a ModelDisk in the place of the layers below.
  template <class Below>
  std::string call_over(Below& below, const std::string& verb, const std::vector<std::string>& arguments = {}) const {
    return call_over(below.device(), below.below(), verb, arguments);
  }

 private:
  static std::int32_t offer(void* self, const ashlar_verb* verb, void* argument) noexcept {
    auto& fake = *static_cast<FakeControl*>(self);
    if (rules::verb_fault(verb) != nullptr) return EINVAL;
    if (!fake.of_this_layer_.insert(verb->name).second) return EEXIST;
    fake.offered_[verb->name] = {verb, argument};
    return 0;
  }
  static void answer(void* self, const char* text, std::size_t length) noexcept {
    static_cast<std::string*>(self)->append(text, length);
  }
  std::string call_over(const ashlar_device* next, const ashlar_geometry* below, const std::string& verb,
                        const std::vector<std::string>& arguments) const {
    const auto& [offered, argument] = offered_.at(verb);
    std::vector<const char*> texts;
    for (const std::string& text : arguments) texts.push_back(text.c_str());
    std::string answered;
    const ashlar_verb_call call{sizeof(ashlar_verb_call),
                                static_cast<std::uint32_t>(texts.size()),
                                texts.data(),
                                next,
                                below,
                                &answered,
                                &answer};
    must_succeed([&, of = offered, with = argument](ashlar_error* error) { return of->call(with, &call, error); });
    return answered;
  }

  std::map<std::string, std::pair<const ashlar_verb*, void*>> offered_;
  mutable std::set<std::string> of_this_layer_;
  const ashlar_control services_{sizeof(ashlar_control), 0, this, &offer};
};

}  // namespace ashlar::testing
