// Why an export cannot be opened: for the log, for the config's author, and for clients.
#pragma once
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace ashlar::host {

// `text` with each absolute path cut to its last component. `paths` are known to be paths, whatever is in them; others
// are known by where they stand: within quotes up to the closing one, else up to a blank, comma, semicolon, bracket or
// colon with a blank behind it, or further when a later word must belong to them. Pure.
std::string without_folders(std::string_view text, std::span<const std::string> paths);

// `text` without the user names and passwords in its URLs. Pure.
std::string without_credentials(std::string_view text);

// A layer that cannot be created or opened.
class OpenError : public std::runtime_error {
 public:
  struct Facts {
    std::string who{};                 // export and layer, in words
    std::string cause{};               // the module's text, one line
    std::int32_t status = 0;           // an errno number
    std::vector<std::string> paths{};  // absolute ones that the layer was given
    bool is_of_plugin = false;         // it is a plugin that says so
    // What in the config is to blame: the parameter whose value the cause names, else the layer's type.
    std::string key{};
    Place place{};
  };
  // `advice`: what the server's operator can do, with what leads to it from the cause: "; write …"; may be empty.
  explicit OpenError(Facts facts, const std::string& advice = "");

  // what() is for the log: who, the cause, and the advice.
  const Facts& facts() const { return facts_; }
  // Whether what a plugin was to open is not there, or is of a kind that is never served.
  bool is_absence() const;
  // The cause and the advice.
  std::string complaint() const;
  // The cause as a client is told it, with no advice: `whole_paths` or only their last components. Never a password.
  std::string told_to_client(bool whole_paths) const;

 private:
  Facts facts_;
  std::string advice_;
};

}  // namespace ashlar::host
