// The main function of all Catch2 programs. A test case that could not run shows in the exit code.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

namespace {
constexpr int skip_return_code = 77;  // ctest's SKIP_RETURN_CODE, set in CMakeLists.txt
int skipped_cases = 0;
}  // namespace

void note_skipped_case() { ++skipped_cases; }

int main(int argc, char** argv) {
  const int result = Catch::Session().run(argc, argv);
  return result == 0 && skipped_cases != 0 ? skip_return_code : result;
}
