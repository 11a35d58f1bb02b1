#include "sandbox/sandbox.hpp"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "sandbox/each_thread.hpp"

namespace ashlar::host {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool has_sanitizer = true;  // it traces the process to find leaks, and reads files
#else
constexpr bool has_sanitizer = false;
#endif

// 0, or why this kernel does not refuse system calls: an errno number.
int seccomp_error() {
  const std::uint32_t action = SECCOMP_RET_ERRNO;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0u, &action) == 0 ? 0 : errno;
}

}  // namespace

Sandbox::Sandbox(const SandboxConfig& config, Grants grants, std::shared_ptr<spdlog::logger> logger)
    : required_(config.mode == SandboxConfig::Mode::require), grants_(std::move(grants)), logger_(std::move(logger)) {
  if (config.mode == SandboxConfig::Mode::off) return;
  if (has_sanitizer) {
    if (required_) lacks("this build has a sanitizer, which does what a sandbox would refuse");
    return;
  }
  const bool connects = !grants_.connect().words.empty();
  if (const int version = Landlock::version(); version > 0)
    landlock_ = std::make_shared<const Landlock>(version, grants_, connects);
  else
    lacks(std::string("the kernel has no Landlock (") + std::strerror(-version) +
          "), so modules may open any file that the server may");
  if (const int error = seccomp_error(); error == 0) calls_ = std::make_unique<RefusedCalls>(connects);
  else lacks(std::string("the kernel has no seccomp (") + std::strerror(error) + "), so modules may make any call");
}

void Sandbox::lacks(const std::string& what) const {
  if (required_)
    throw std::runtime_error("[server] sandbox: " + what + R"(; write sandbox = "auto" to serve nevertheless)");
  logger_->warn("sandbox: {}", what);
}

void Sandbox::enter() {
  if (landlock_ != nullptr)
    for (const std::string& thread : on_each_thread(landlock_))
      lacks("a thread is not bounded to its files: " + thread);
  if (calls_ != nullptr)
    if (const int error = calls_->refuse(); error != 0)
      lacks(std::string("system calls cannot be refused: ") + std::strerror(error));
  if (landlock_ != nullptr || calls_ != nullptr) logger_->debug("the server is in its sandbox");
}

bool Sandbox::misses_connect(const Grants& wanted) const {
  const bool bounded = calls_ != nullptr || (landlock_ != nullptr && landlock_->bounds_tcp());
  return bounded && grants_.connect().words.empty() && !wanted.connect().words.empty();
}

std::vector<Grant> Sandbox::missing(const Grants& wanted) const {
  return landlock_ == nullptr ? std::vector<Grant>{} : grants_.missing(wanted);
}

}  // namespace ashlar::host
