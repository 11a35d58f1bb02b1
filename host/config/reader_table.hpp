// ConfigReader::read_table(), a template that the reader's parts share.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "config/did_you_mean.hpp"
#include "config/reader.hpp"

namespace ashlar::host {

// Reads each entry by the key of its name; `section` stands in the message about an unknown one,
// of which other_key_of may know what is meant.
template <class T>
ConfigReader::Names ConfigReader::read_table(const TomlTable& table, std::span<const Key<T>> keys, const char* section,
                                             T& into, OtherKey* other_key_of) const {
  std::vector<std::string> known;
  for (const Key<T>& key : keys) known.emplace_back(key.name);
  Names there;
  for (const TomlEntry& entry : table) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key<T>& k) { return entry.key == k.name; });
    if (key == keys.end()) {
      const std::string other = other_key_of != nullptr ? other_key_of(entry.key) : "";
      tell(entry.place, entry.key,
           std::string("unknown in ") + section + "; " + (other.empty() ? did_you_mean(entry.key, known) : other));
      if (const auto meant = nearest(entry.key, known)) there.insert(*meant);
      continue;
    }
    there.insert(entry.key);
    mistakes_.gather([&] { (this->*key->read)(entry, into); });
  }
  return there;
}

}  // namespace ashlar::host
