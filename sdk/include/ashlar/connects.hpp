// connects_id: what a module says that connects to others, over a network or a unix socket. The server's sandbox lets
// nobody connect unless a module of its config says so, or the config itself.
#pragma once
#include <ashlar/abi.h>

#include <cstdint>

namespace ashlar {

// An extension of a module (ashlar_module::extension): whoever returns a Connects for it connects. In C++ a class with
// `static constexpr bool connects = true;` has it.
inline constexpr char connects_id[] = "ashlar.connects/1";

struct Connects {
  std::uint32_t struct_size;
  std::uint32_t reserved;
};

}  // namespace ashlar
