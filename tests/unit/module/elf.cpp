#include "module/elf.hpp"

#include <sys/stat.h>

#include "catch.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {
const std::filesystem::path good = std::filesystem::path(TEST_MODULES) / "brick.so";
}

TEST_CASE("a shared object has no fault") { CHECK(fault_in_elf(good).empty()); }

TEST_CASE("a shared object that is cut short anywhere is refused, not mapped") {
  const TempFolder folder;
  const auto file = folder.path() / "brick.so";
  // Code, constants and data lie on pages of their own, so that the last of them begins behind the second page.
  for (std::uintmax_t size = 64; size < 8192; size += 97) {
    std::filesystem::copy_file(good, file, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(file, size);
    INFO(size);
    CHECK(fault_in_elf(file) == "is cut short; copy or build it again");
  }
}

TEST_CASE("what is no shared object is refused with what it is") {
  const TempFolder folder;
  CHECK(fault_in_elf(folder.write("a.so", "")) == "is no ELF file, so not a module");
  CHECK(fault_in_elf(folder.write("b.so", std::string(4096, 'x'))) == "is no ELF file, so not a module");
  CHECK(fault_in_elf(folder.path()) == "is a folder, not a module");
  CHECK(fault_in_elf(folder.path() / "none.so") == "No such file or directory");
  REQUIRE(::mkfifo((folder.path() / "fifo.so").c_str(), 0600) == 0);
  CHECK(fault_in_elf(folder.path() / "fifo.so") == "is not a regular file, so not a module");
}
