// Watch: what a check has the module do at the moment. It lies in memory that the process of the check shares with the
// one that waits for it: when the first ends or hangs, the second tells in what.
#pragma once
#include <ashlar/abi.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>

namespace ashlar::check {

class Watch {
 public:
  // Made in shared memory, for this process and those it forks; stays until the process ends.
  // Throws std::system_error.
  static Watch& make();

  // Safe for all threads. Texts are literals.
  void begin(const char* call) noexcept {
    call_.store(call, std::memory_order_relaxed);
    ++steps_;
  }
  void begin(const ashlar_io& io) noexcept {
    op_.store(io.op, std::memory_order_relaxed);
    offset_.store(io.offset, std::memory_order_relaxed);
    length_.store(io.length, std::memory_order_relaxed);
    flags_.store(io.flags, std::memory_order_relaxed);
    begin(request);
  }
  // A call of the verb `name`.
  void begin_verb(const char* name) noexcept {
    std::snprintf(verb_, sizeof verb_, "%s", name);
    begin(verb);
  }
  void end() noexcept {
    call_.store(nullptr, std::memory_order_relaxed);
    ++steps_;
  }
  // What is going on beside the calls, "while a write is under way in the layer below", say; nullptr: nothing.
  void scene(const char* text) noexcept { scene_.store(text, std::memory_order_relaxed); }
  // The same with a text that need not stay.
  void scene_of(const std::string& text) noexcept {
    scene(nullptr);
    std::snprintf(copied_scene_, sizeof copied_scene_, "%s", text.c_str());
    scene(copied_scene_);
  }
  // Before each check.
  void clear() noexcept {
    end();
    scene(nullptr);
  }

  // Grows with each call.
  std::uint64_t steps() const noexcept { return steps_.load(); }
  // "in open", "in write 512@1024 nowait"; empty: in no call.
  std::string doing() const;

 private:
  static constexpr const char request[] = "request", verb[] = "verb";

  std::atomic<std::uint64_t> steps_{0};
  std::atomic<const char*> call_{nullptr};
  std::atomic<const char*> scene_{nullptr};
  std::atomic<std::uint32_t> op_{0};
  std::atomic<std::uint64_t> offset_{0}, length_{0}, flags_{0};
  char verb_[64] = "", copied_scene_[128] = "";
};

// "write 512@1024 fua,nowait": a request as messages have it.
std::string request_text(std::uint32_t op, std::uint64_t offset, std::uint64_t length, std::uint64_t flags);

}  // namespace ashlar::check
