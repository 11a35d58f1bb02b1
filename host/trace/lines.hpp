// A request as a line: in the words of the filter log, or as a JSON object.
#pragma once
#include <map>
#include <string>

#include "format/record.hpp"

namespace ashlar::host::traces {

// Keeps what all records of a place have in common.
class Lines {
 public:
  // "2026-11-26T22:48:03.123456Z disk above #1 write offset=4096 length=512 flags=fua result=ok us=87 …", without a
  // newline. Valid until the next call.
  const std::string& text(const trace::Record& record);
  // {"id":1,"connection":1,"export":"disk","place":"above","op":"write","flags":["fua"],"offset":0,"length":512,
  // "start":1,"done":2,"sent":3,"result":"ok","depth":0,"run":"00000000000000a1"}: times in nanoseconds of
  // CLOCK_MONOTONIC, `sent` null when it is not known. Without a newline. Valid until the next call.
  const std::string& json(const trace::Record& record);

 private:
  struct Names {
    std::string text, json;
  };
  const Names& names_of(const trace::Place& place);

  std::map<const trace::Place*, Names> names_;
  std::string line_;
};

}  // namespace ashlar::host::traces
