// VerbCall: a verb, called as the host calls it, with an eye on all that abi.h says of that.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "subject.hpp"

namespace ashlar::check {

// Takes the answer of one call. Outlives the layer, so that what comes too late is seen.
class Answer {
 public:
  Answer() = default;
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  static void add(void* self, const char* text, std::size_t length) noexcept;
  void close();
  // The first thing that was not to be told; empty: nothing.
  std::string fault() const;

 private:
  static constexpr std::size_t longest = 16 << 20;  // bytes, as the host has it

  mutable std::mutex mutex_;
  std::size_t length_ = 0;
  bool closed_ = false;
  std::string fault_;
};

// The calls of one check. Is made before its bench, and outlives it.
class Answers {
 public:
  Answer& add();
  // Throws Broken if one of them took what was not to be told.
  void look() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Answer>> all_;
};

// Has the layer answer, over a connection of its own if the verb asks for that. From a second later on nobody wants the
// answer any more. What it answers is the layer's affair. Throws Broken.
void call_verb(const Subject& s, Bench& bench, const LayerHost::Verb& verb, const std::vector<std::string>& arguments,
               Answers& answers);

}  // namespace ashlar::check
