// The report as a page: one file that needs no network, with the libraries that draw it.
#pragma once
#include <string>

#include "trace/report.hpp"

namespace ashlar::host::traces {

// No page is larger.
inline constexpr std::size_t most_page_bytes = 5'000'000;

// Throws UsageError when the libraries were not there when the program was built.
void need_page();
// The page. Throws as need_page(), and UsageError when the places are too many for one page.
std::string page_of(const Report& report);

// What the page draws beside the report: maps, and latencies over time. `detail`: 0: all; each step halves the maps;
// at `least_detail` there is none.
constexpr unsigned least_detail = 6;
boost::json::object pictures_of(const Report& report, unsigned detail);

}  // namespace ashlar::host::traces
