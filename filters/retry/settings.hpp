// Settings: the parameters of the filter, read.
#pragma once
#include <ashlar/params.hpp>
#include <ashlar/status.hpp>
#include <chrono>
#include <vector>

// By which a backend that is away for a while may answer.
inline constexpr const char* error_names[] = {"EIO",          "ETIMEDOUT", "ECONNRESET", "ECONNREFUSED", "ECONNABORTED",
                                              "EPIPE",        "ENOTCONN",  "ENETDOWN",   "ENETUNREACH",  "EHOSTDOWN",
                                              "EHOSTUNREACH", "ESHUTDOWN", "ESTALE",     "ENODEV",       "ENXIO",
                                              "EBUSY",        "ENOMEM",    "ENOSPC",     "EDQUOT",       nullptr};

struct Settings {
  // Throws BadParameter.
  explicit Settings(const ashlar::Params& params);

  bool worth_trying_again(ashlar::Status s) const;
  // Before try number `n`, 1 for the first that is made again: twice as long each time.
  std::chrono::nanoseconds delay_before(std::uint64_t n) const;

  std::vector<int> errors;
  std::uint64_t times;
  std::chrono::nanoseconds delay, max_delay;
  bool reopen;
};
