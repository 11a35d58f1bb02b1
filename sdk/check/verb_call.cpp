#include "verb_call.hpp"

#include <cstring>

#include "error_room.hpp"

namespace ashlar::check {
namespace {

// While it lives, the layer may use its connection to the one below.
class Within {
 public:
  Within(Disk::Connection* below, std::uint64_t id) : below_(below), id_(id) {
    if (below_ != nullptr) below_->enter(id_);
  }
  ~Within() {
    if (below_ != nullptr) below_->leave(id_);
  }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  Disk::Connection* const below_;
  const std::uint64_t id_;
};

void must_be_as_offered(const LayerHost::Verb& verb) {
  const ashlar_verb& now = *verb.verb;
  require(std::memcmp(&now, &verb.then, sizeof now) == 0 && now.name == verb.name && now.help == verb.help,
          "the verb " + verb.name + " has changed since it was offered");
}

}  // namespace

void Answer::add(void* self, const char* text, std::size_t length) noexcept {
  auto& answer = *static_cast<Answer*>(self);
  const std::lock_guard guard(answer.mutex_);
  if (answer.closed_) answer.fault_ = "something was added to the answer of a verb when its call was over";
  if (text == nullptr && length != 0) answer.fault_ = "a text that is null was added to the answer of a verb";
  if (length > longest - answer.length_) answer.fault_ = "the answer of a verb is over 16 MiB long";
  else answer.length_ += length;
}

void Answer::close() {
  const std::lock_guard guard(mutex_);
  closed_ = true;
}

std::string Answer::fault() const {
  const std::lock_guard guard(mutex_);
  return fault_;
}

Answer& Answers::add() {
  const std::lock_guard guard(mutex_);
  return *all_.emplace_back(std::make_unique<Answer>());
}

void Answers::look() const {
  const std::lock_guard guard(mutex_);
  for (const auto& answer : all_)
    if (const std::string fault = answer->fault(); !fault.empty()) throw Broken{fault};
}

void call_verb(const Subject& s, Bench& bench, const LayerHost::Verb& verb, const std::vector<std::string>& arguments,
               Answers& answers) {
  must_be_as_offered(verb);
  std::vector<std::string> lent = arguments;
  std::vector<const char*> pointers;
  for (const std::string& one : lent) pointers.push_back(one.c_str());
  pointers.push_back(nullptr);
  const std::vector<const char*> as_lent = pointers;
  const bool asks = s.is_filter() && verb.then.below != ASHLAR_BELOW_NONE;
  Disk::Connection* const below = asks ? &bench.connect_for_verb() : nullptr;
  Answer& answer = answers.add();
  Padded<ashlar_verb_call> call({0, static_cast<std::uint32_t>(arguments.size()), pointers.data(),
                                 asks ? below->device() : nullptr, asks ? below->geometry() : nullptr, &answer,
                                 &Answer::add});
  ErrorRoom error(bench.services().error_room());
  const std::string what = "the verb " + verb.name;
  std::int32_t status = 0;
  bench.services().cancel_at(Services::Clock::now() + std::chrono::seconds(1));
  {
    const Within within(below, verb.then.below == ASHLAR_BELOW_READ ? Below::in_reading_verb : Below::in_writing_verb);
    s.watch.begin_verb(verb.name.c_str());
    status = verb.then.call(verb.argument, call.get(), error.get());
    s.watch.end();
  }
  bench.services().cancel_at(Services::Clock::time_point::max());
  answer.close();
  if (status != 0) static_cast<void>(error.refused(s.module, what.c_str(), status));
  else error.look(what.c_str());
  call.look(what + ", which its call was lent to,");
  require(pointers == as_lent && lent == arguments, what + ", which its arguments were lent to, changed them");
  must_be_as_offered(verb);
  require(answer.fault().empty(), answer.fault());
}

}  // namespace ashlar::check
