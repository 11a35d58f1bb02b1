// Where the text of a config comes from: a file, or a pipe, as `<(…)` of a shell and /dev/stdin are.
#pragma once
#include <filesystem>
#include <string>

namespace ashlar::host {

// The folder that relative paths of the user count from. Empty when it has been deleted; absolute paths need none.
std::filesystem::path current_folder();

// What relative paths in the config `file` count from: its folder; of a pipe, or of what is named by a descriptor, the
// current folder. Absolute, but for a current folder that has been deleted.
std::filesystem::path folder_of_config(const std::filesystem::path& file);

// The whole text of the config `file`, at most 16 MiB. /dev/stdin and /dev/fd/N are the descriptors that this process
// has already, and are read from where they stand. Waits for what a pipe's writer has to write. Throws ConfigError.
std::string read_config_text(const std::filesystem::path& file);

// Whether the same text, or what has taken its place, can be had again: not from a pipe or a descriptor.
bool can_be_read_again(const std::filesystem::path& file);

// What `ashlar serve FILE` is given.
enum class Operand {
  config,    // a name that ends in .toml, or a pipe
  misnamed,  // a config with another name: to serve it as a disk is hardly what is meant
  image,     // all else, also what is not there
};
Operand kind_of_operand(const std::filesystem::path& file);

}  // namespace ashlar::host
