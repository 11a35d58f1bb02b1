// Advice on what one place was asked: what the client could do better, or the layers between it and the place above.
#pragma once
#include <string>
#include <vector>

#include "trace/report.hpp"

namespace ashlar::host::traces {

// What is next to a place; null: nothing is.
struct Around {
  const PlaceStats* above = nullptr;
  const Between::Pair* from_above = nullptr;
  const Between::Pair* below = nullptr;
};

void on_requests(const PlaceStats& stats, const Around& around, std::vector<Advice>& advice);

// "37 %"
std::string percent(double part, double whole);

}  // namespace ashlar::host::traces
