// group_id: among which others a module stands when modules are listed.
#pragma once
#include <ashlar/abi.h>

#include <cstdint>

namespace ashlar {

// An extension of a module (ashlar_module::extension), which has a Group. In C++ a class with
// `static constexpr const char* group = "…";` has it.
inline constexpr char group_id[] = "ashlar.group/1";

struct Group {
  std::uint32_t struct_size;
  std::uint32_t reserved;
  const char* name;  // a few words, which go on behind "filters for": "limits", say
};

}  // namespace ashlar
