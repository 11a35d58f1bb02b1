// Verbs: what a layer answers while it runs, when an operator asks it.
//
//   struct Layer {
//     explicit Layer(const ashlar::Create& create) : verbs(create) {
//       verbs.offer("drop", "forget what is cached", [this](ashlar::VerbCall& call) {
//         call.answer(std::to_string(cache.drop()) + " blocks dropped");
//       });
//     }
//     Cache cache;
//     ashlar::Verbs verbs;  // last: it is gone before what its verbs use
//   };
#pragma once
#include <ashlar/device.hpp>
#include <ashlar/module.hpp>
#include <ashlar/rules/text.hpp>

#include <deque>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar {

// What a verb needs of the layers below; filters.
enum class Below : std::uint32_t {
  none = ASHLAR_BELOW_NONE,
  read = ASHLAR_BELOW_READ,
  write = ASHLAR_BELOW_WRITE,  // the export must not be read-only
};

// One call of a verb. Valid during the call.
class VerbCall {
 public:
  explicit VerbCall(const ashlar_verb_call& call)
      : call_(&call), arguments_(call.arguments, call.arguments + call.n_arguments) {
    if (call.below != nullptr) below_ = from_abi(*call.below);
  }

  // As given, UTF-8.
  const std::vector<std::string_view>& arguments() const { return arguments_; }
  // Throws std::invalid_argument where there is any: for a verb that takes none.
  void refuse_arguments() const {
    if (!arguments_.empty())
      throw std::invalid_argument("takes no argument, and was given " + rules::in_quotes(arguments_[0]));
  }
  // Adds text to the answer.
  void answer(std::string_view text) const { call_->answer(call_->self, text.data(), text.size()); }

  // Whether there are layers below, opened for this call: the verb has asked for them.
  bool has_below() const { return call_->next != nullptr && call_->below != nullptr; }
  // What they offer.
  const Geometry& below() const { return below_; }
  // Hands a request to them and returns when it is done; not_supported: they do not offer its op, or a flag of it.
  Status next(Io& io) const noexcept {
    if (!has_below() || !below_.ops.has(Ops{io.op()}) || !below_.flags.has(io.flags())) return Status::not_supported();
    return Status{call_->next->process(call_->next->self, &io)};
  }
  Status next(Io&& io) const noexcept { return next(io); }

 private:
  const ashlar_verb_call* call_;
  std::vector<std::string_view> arguments_;
  Geometry below_{};
};

// The verbs of a layer, and a member of it. They are answered from the end of its constructor until it is destroyed,
// by several threads at once if the module is parallel.
class Verbs {
 public:
  // In the layer's constructor: later offers are refused.
  explicit Verbs(const Create& create)
      : service_(static_cast<const ashlar_control*>(create.host.extension(ASHLAR_CONTROL_ID))) {}
  Verbs(const Verbs&) = delete;
  Verbs& operator=(const Verbs&) = delete;

  // `name`: [a-z][a-z0-9-]*; `help`: one line; both stay valid. What `answer` throws is told to who has asked, as with
  // constructors. Throws std::invalid_argument when the name is not one, or is taken. Does nothing where the host takes
  // no verbs. [control]
  void offer(const char* name, const char* help, Below below, std::function<void(VerbCall&)> answer) {
    if (service_ == nullptr) return;
    Offered& one = offered_.emplace_back();
    one.answer = std::move(answer);
    one.verb = {sizeof(ashlar_verb), static_cast<std::uint32_t>(below), name, help, &call};
    if (const std::int32_t status = service_->offer(service_->self, &one.verb, &one)) {
      offered_.pop_back();
      throw std::invalid_argument(std::string("the verb \"") + name +
                                  (status == EEXIST ? "\" is offered twice" : "\" is not one"));
    }
  }
  void offer(const char* name, const char* help, std::function<void(VerbCall&)> answer) {
    offer(name, help, Below::none, std::move(answer));
  }

 private:
  struct Offered {
    ashlar_verb verb{};
    std::function<void(VerbCall&)> answer;
  };
  static std::int32_t call(void* argument, const ashlar_verb_call* how, ashlar_error* error) noexcept {
    try {
      VerbCall one(*how);
      static_cast<const Offered*>(argument)->answer(one);
      return 0;
    } catch (...) {
      return detail::report(error);
    }
  }

  const ashlar_control* service_;
  std::deque<Offered> offered_;  // keep their addresses
};

}  // namespace ashlar
