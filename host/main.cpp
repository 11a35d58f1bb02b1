#include <iostream>

#include "cli/cli.hpp"

int main(int argc, char** argv) {
  if (!ashlar::host::prepare_process()) return 1;
  return ashlar::host::run({argv + (argc > 0 ? 1 : 0), argv + argc}, std::cout, std::cerr);
}
