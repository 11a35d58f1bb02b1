// The checks, in the order in which they run. Each holds a module to one promise.
#pragma once
#include <span>

#include "subject.hpp"

namespace ashlar::check {

struct Check {
  const char* name;     // for --only
  const char* promise;  // what the module keeps
  // Throws what promise.hpp has.
  void (*run)(const Subject&);
  bool needed = false;  // when it is broken nothing more can be tried
};

std::span<const Check> table_checks();     // table.cpp: what the module says of itself
std::span<const Check> life_checks();      // life.cpp: layers and devices
std::span<const Check> trial_checks();     // trials.cpp: layers that never serve
std::span<const Check> request_checks();   // requests.cpp: what holds of each request
std::span<const Check> data_checks();      // data.cpp: what is read is what was written
std::span<const Check> shortcut_checks();  // shortcuts.cpp: nowait, lending, holes
std::span<const Check> together_checks();  // together.cpp: connections and threads
std::span<const Check> below_checks();     // below.cpp: filters: what the layer below is asked for
std::span<const Check> promise_checks();   // promises.cpp: filters: FUA, FAST, NOWAIT, MAY_TRIM, power cuts
std::span<const Check> error_checks();     // errors.cpp: filters: errors below
std::span<const Check> ability_checks();   // abilities.cpp: probe, exports
std::span<const Check> verb_checks();      // verbs.cpp: verbs, and devices that are opened for those of others
std::span<const Check> end_checks();       // life.cpp: what is left behind
std::span<const Check> lock_checks();      // locks.cpp: filters: what is held over a call of the layer below

// Opens the module as a host does that only looks: throws Broken when files are made or changed, or it cannot be done.
void open_on_trial(const Subject& subject);

// The file, before it is loaded: exports ashlar_entry and nothing else.
void check_symbols(const std::string& file);

}  // namespace ashlar::check
