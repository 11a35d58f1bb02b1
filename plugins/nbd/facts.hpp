// Facts: what a server has told of its export when a connection was made. Pure.
#pragma once
#include <ashlar/geometry.hpp>
#include <string>

struct Facts {
  std::uint64_t size = 0;
  ashlar::Ops ops;         // what it can do; read always
  bool fua = false;        // durable writes
  bool fast_zero = false;  // refuses to zero where that is slow
  bool read_only = false, rotational = false, multi_conn = false;
  // Bytes; 0: not told.
  std::uint64_t minimum = 0, preferred = 0, maximum = 0;
};

// What is wrong with it, by itself; empty: nothing.
std::string fault_of(const Facts& facts);
inline constexpr char too_long[] = "it is longer than any disk can be";

// How the export has become one that cannot stand for the former; empty: it can. It may have grown.
std::string fault_of_change(const Facts& before, const Facts& now);

// `depth`: how many requests at once it gains from. `facts` has no fault.
ashlar::Geometry geometry_of(const Facts& facts, bool read_only, std::uint32_t depth);
