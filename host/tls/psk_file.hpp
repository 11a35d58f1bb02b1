// The file of pre-shared keys: a line `name:hexkey` for each user, as GnuTLS's psktool writes them. `#hex:hexkey` gives
// the name in hexadecimal digits; other lines that begin with # are comments.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/mistakes.hpp"

namespace ashlar::host {

using PskKey = std::vector<unsigned char>;
using PskKeys = std::map<std::string, PskKey, std::less<>>;  // by user name

// What both versions of TLS take in OpenSSL.
inline constexpr std::size_t longest_psk_name = 255;  // bytes
inline constexpr std::size_t longest_psk = 256;       // bytes
inline constexpr std::size_t short_psk = 16;          // bytes: below this a key can be guessed one day

struct PskFile {
  PskKeys keys;
  std::vector<std::string> short_keys;  // the names of users whose key has less than short_psk bytes
};

// Parses `text`, which is that of `file`. Throws ConfigError with every mistake, its line and column; no key is told.
PskFile parse_psk_file(std::string_view text, const std::filesystem::path& file);

}  // namespace ashlar::host
