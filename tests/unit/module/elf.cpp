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
  const auto whole = std::filesystem::file_size(good);
  std::uintmax_t refused = 0;
  for (std::uintmax_t size = 0; size < whole; size += 97) {
    std::filesystem::copy_file(good, file, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(file, size);
    const std::string fault = fault_in_elf(file);
    // Behind the last segment lie only tables that the dynamic linker does not read.
    if (fault.empty()) break;
    CHECK(
        (fault == "is cut short; copy or build it again" || (size < 64 && fault == "is no ELF file, so not a module")));
    ++refused;
  }
  CHECK(refused > 64 / 97 + 1);
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
