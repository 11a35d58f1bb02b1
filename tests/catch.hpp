// Catch2, version 3 if it is there, else version 2 (Debian 12), and SKIP_CASE, which version 2 lacks.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

// Notes that a test case could not run; see SKIP_CASE. [the thread that runs the test cases]
void note_skipped_case();

// Ends the test case because this machine lacks something, and prints what (anything that can be streamed). What was
// checked before still counts. The program then ends with exit code 77, which ctest reports as skipped, unless a case
// has failed. A case that may be skipped has the tag of what it needs, see ashlar_test() in CMakeLists.txt.
#define SKIP_CASE(lacks)        \
  do {                          \
    WARN("skipped: " << lacks); \
    note_skipped_case();        \
    return;                     \
  } while (false)
