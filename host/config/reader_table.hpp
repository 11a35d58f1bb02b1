// ConfigReader::read_table(), a template that the reader's parts share.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "config/did_you_mean.hpp"
#include "config/reader.hpp"

namespace ashlar::host {

// Reads each entry by the key of its name; `section` stands in the message about an unknown one.
template <class T>
void ConfigReader::read_table(const TomlTable& table, std::span<const Key<T>> keys, const char* section,
                              T& into) const {
  for (const TomlEntry& entry : table) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key<T>& k) { return entry.key == k.name; });
    if (key == keys.end()) {
      std::vector<std::string> names;
      for (const Key<T>& known : keys) names.emplace_back(known.name);
      fail(entry.place, entry.key, std::string("unknown in ") + section + "; " + did_you_mean(entry.key, names));
    }
    (this->*key->read)(entry, into);
  }
}

}  // namespace ashlar::host
