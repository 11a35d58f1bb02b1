// The words of a command line: which of them a command has no place for, and what to write instead. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cli/syntax.hpp"

namespace ashlar::host {

// What is wrong with `words`, which stand behind the command's name, in one line with what to do: the whole command
// line as it should be, if that can be told. Empty: every word has its place, and the operands are there.
std::string fault_in_words(const Syntax& syntax, const std::vector<std::string>& words);

// The whole command line that somebody means who has left out the command: "ashlar serve …". Empty when a word of it
// cannot be understood.
std::string meant_without_command(const Syntax& serve, const std::vector<std::string>& words);

// Whether `word` is made of digits: a port, not a file.
bool is_number(std::string_view word);
// Whether it is a plugin that serves an image, which other servers want named.
bool is_image_plugin(std::string_view word);

// `word` as a shell takes it for one word.
std::string shell_word(const std::string& word);

}  // namespace ashlar::host
