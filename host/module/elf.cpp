#include "module/elf.hpp"

#include <elf.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

namespace ashlar::host {
namespace {

template <class T>
bool read_at(std::ifstream& file, std::uint64_t offset, T& out) {
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<std::streamoff>::max())) return false;
  file.seekg(static_cast<std::streamoff>(offset));
  return static_cast<bool>(file.read(reinterpret_cast<char*>(&out), sizeof out));
}

// The linker maps segments without asking how long the file is; the first touch behind its end is a SIGBUS.
bool is_cut_short(std::ifstream& file, const Elf64_Ehdr& header, std::uint64_t file_size) {
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (!read_at(file, header.e_phoff + i * sizeof segment, segment)) return true;
    if (segment.p_type != PT_LOAD) continue;
    if (segment.p_offset > file_size || segment.p_filesz > file_size - segment.p_offset) return true;
  }
  return false;
}

}  // namespace

std::string fault_in_elf(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (error) return error.message();
  if (std::filesystem::is_directory(status)) return "is a folder, not a module";
  if (!std::filesystem::is_regular_file(status)) return "is not a regular file, so not a module";
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (error) return error.message();

  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::generic_category().message(errno != 0 ? errno : EIO);
  Elf64_Ehdr header{};
  if (!read_at(in, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return "is no ELF file, so not a module";
  const bool ours = header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB;
  if (!ours || header.e_phentsize != sizeof(Elf64_Phdr)) return {};  // the linker knows what to say of these
  return is_cut_short(in, header, size) ? "is cut short; copy or build it again" : "";
}

}  // namespace ashlar::host
