// OtherNames: what things are called here that others know by another name.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace ashlar::host {

// What to write instead of `type = "word"`, where nbdkit or qemu has such a plugin or filter of which ashlar has the
// like: a module that is among `modules`, a key or a command. Empty: nothing is known. Pure.
std::string other_name(std::string_view word, std::span<const std::string> modules);

// What to write instead of the key `word` of [[export]], likewise. Empty: nothing is known. Pure.
std::string other_key(std::string_view word);
// The same for [server], for its tls, and for a rule of allow.
std::string other_server_key(std::string_view word);
std::string other_tls_key(std::string_view word);
std::string other_rule_key(std::string_view word);

}  // namespace ashlar::host
