// Secrets: a text that nobody prints, from where the config says it is.
#pragma once
#include <filesystem>
#include <string>

#include "config/mistakes.hpp"
#include "config/toml_value.hpp"

namespace ashlar::host {

struct Secret {
  std::string text;
  std::string source;  // for people: `file "/etc/key"`, `env "KEY"`, `credential "key"`; empty: the config itself
};

// The secret that `key` has as its value: a string, or a table of one key that says where it is: file (relative to
// `folder`), env (an environment variable) or credential (a file in $CREDENTIALS_DIRECTORY, where systemd puts those of
// LoadCredential=). Of a file's text one newline at its end is taken off. Up to 64 KiB. `config` stands in messages.
// Throws ConfigError, in whose text is nothing of the secret.
Secret read_secret(const std::filesystem::path& config, const std::string& key, const TomlNode& value,
                   const std::filesystem::path& folder);

}  // namespace ashlar::host
