// Options that users of other NBD servers (nbdkit, qemu-nbd, nbd-server) are used to, and what `ashlar serve` has for
// them.
#pragma once
#include <initializer_list>
#include <string_view>

namespace ashlar::host {

struct Foreign {
  std::initializer_list<std::string_view> names;
  // Which next word is the option's value; an option that takes none is followed by other things.
  enum class Value { none, any, number, format } value;
  enum class Becomes {
    host,       // of --listen tcp:HOST:PORT
    port,       // likewise
    unix_path,  // of --listen unix:PATH
    read_only,  // --read-only
    file,       // the operand
    nothing,    // it can be left out: `why`
    elsewhere,  // `serve` has no option for it: `why` says what to do
  } becomes;
  std::string_view why = "";
};

// The option `name` of another server, in front of the word `next`; nullptr: none that is known.
const Foreign* find_foreign(std::string_view name, std::string_view next);

}  // namespace ashlar::host
