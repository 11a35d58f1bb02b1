// Layer: what the connections of an export share, and the verbs of its operator.
#pragma once
#include <ashlar/control.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>

#include "gate.hpp"
#include "rules.hpp"
#include "unflushed.hpp"

namespace ashlar::fault {

struct Counters {
  explicit Counters(const Metrics& metrics);
  const Counter errors, delays, hangs, flips, lies, torn, drops, power_cuts;
};

// Hands a request to the layers below.
using Next = std::function<Status(Io&)>;

struct Layer {
  explicit Layer(const Create& create);
  ~Layer();

  // Writes all that is unflushed to the layers below, of which `below` tells.
  Status write_back(const Io& io, const Geometry& below, const Next& next) noexcept;
  // The same, and flushes them if they offer it.
  Status flush_all(const Io& io, const Geometry& below, const Next& next) noexcept;

  static constexpr Param params[] = {
      Param::integer("seed", "the same seed makes the same faults").range(0, INT64_MAX).or_else("1"),
      Param::boolean("volatile", "keep what is not flushed apart, for the verb power-cut").or_else("false"),
      Param::size("volatile_size",
                  "with volatile: of memory for it, 256M; what is more is written below, as a disk's cache does")
          .range(64 << 10, INT64_MAX),
      Param::list(Param::string("rules", "\"read error=EIO every=100\", \"write delay=40ms\"; see the README")),
  };

  const Host host;
  const Wait wait;
  const bool keeps;  // what is unflushed
  const std::uint64_t most_kept;
  const Counters counters;
  Rules rules;
  Gate gate;  // requests are together in it, who pauses or cuts the power is alone
  Unflushed unflushed;

 private:
  void pause(VerbCall& call);
  void resume(VerbCall& call);
  void cut_power(VerbCall& call);
  void offer_verbs();

  Gate operators_;  // one of these three at a time
  bool paused_ = false;
  Verbs verbs_;
};

}  // namespace ashlar::fault
