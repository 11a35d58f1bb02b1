// RefusedCalls: system calls that the server never makes when it serves. (seccomp(2))
#pragma once
#include <span>
#include <string>

namespace ashlar::host {

class RefusedCalls {
 public:
  // The names of the calls; with `connect`, connect(2) is not among them.
  static std::span<const char* const> names(bool connect);

  // Throws std::runtime_error when there is no memory for it.
  explicit RefusedCalls(bool connect);
  ~RefusedCalls();
  RefusedCalls(const RefusedCalls&) = delete;
  RefusedCalls& operator=(const RefusedCalls&) = delete;

  // From now on they fail with EPERM in all threads, for good, and none of these can gain privileges by a program.
  // Returns 0 or an errno number.
  int refuse() noexcept;

 private:
  void* filter_;  // a scmp_filter_ctx
};

}  // namespace ashlar::host
