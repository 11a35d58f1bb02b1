// What a page is made of: files that the build has put into the program.
#pragma once
#include <span>
#include <string_view>

namespace ashlar::host::traces {

// In the order in which they stand in the page. Empty: the build had no libraries to draw with.
std::span<const std::string_view> page_styles();
std::span<const std::string_view> page_scripts();
// Of the libraries, which a page has to have with it.
std::span<const std::string_view> page_licences();

}  // namespace ashlar::host::traces
