// LineStyle: how a line of the log looks.
#pragma once
#include <spdlog/formatter.h>

#include <memory>
#include <string>

#include "config/config.hpp"

namespace ashlar::host {

struct LineStyle {
  LogFormat format = LogFormat::text;
  std::string name;  // of the server, in each line; empty: it has none
  // For systemd's journal: each line begins with its priority, and a text has no time, which the journal has itself.
  // (sd-daemon(3), SD_INFO)
  bool journal = false;
};

// Makes lines of that style, each with its newline. In a text, the part to be coloured is noted.
std::unique_ptr<spdlog::formatter> make_formatter(const LineStyle& style);

// Whether `descriptor` is the journal's stream that `text`, the value of $JOURNAL_STREAM, tells of, rather than a file
// or pipe to which it has been redirected since. (systemd.exec(5))
bool is_journal(const char* text, int descriptor);

}  // namespace ashlar::host
