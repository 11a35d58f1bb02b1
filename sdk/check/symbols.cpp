#include "symbols.hpp"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "checks.hpp"

namespace ashlar::check {
namespace {

// A file in memory, read only within its bounds.
class Image {
 public:
  explicit Image(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error(file + ": cannot be read");
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::size_t size() const { return bytes_.size(); }
  template <class T>
  T at(std::uint64_t offset) const {
    if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) throw std::runtime_error("the file is cut short");
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::string text(std::uint64_t offset) const {
    std::string s;
    for (char c = at<char>(offset); c != '\0'; c = at<char>(++offset)) s += c;
    return s;
  }

 private:
  std::vector<char> bytes_;
};

// The sections of the image, as far as needed.
Elf64_Shdr section(const Image& image, const Elf64_Ehdr& header, std::uint64_t index) {
  return image.at<Elf64_Shdr>(header.e_shoff + index * sizeof(Elf64_Shdr));
}

bool has_header(const Image& image) {
  if (image.size() < sizeof(Elf64_Ehdr)) return false;
  const auto header = image.at<Elf64_Ehdr>(0);
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_type == ET_DYN;
}

}  // namespace

bool is_shared_object(const std::string& file) { return has_header(Image(file)); }

std::vector<std::string> exported_symbols(const std::string& file) {
  const Image image(file);
  if (!has_header(image)) throw std::runtime_error("the file is no 64-bit shared object");
  const auto header = image.at<Elf64_Ehdr>(0);
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr symbols = section(image, header, i);
    if (symbols.sh_type != SHT_DYNSYM) continue;
    const Elf64_Shdr strings = section(image, header, symbols.sh_link);
    for (std::uint64_t at = 0; at < symbols.sh_size; at += sizeof(Elf64_Sym)) {
      const auto symbol = image.at<Elf64_Sym>(symbols.sh_offset + at);
      if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL) continue;
      names.push_back(image.text(strings.sh_offset + symbol.st_name));
    }
  }
  return names;
}

void check_symbols(const std::string& file) {
  bool entry = false;
  std::string others;
  for (const std::string& name : exported_symbols(file))
    if (name == ASHLAR_ENTRY_SYMBOL) entry = true;
    else others += " " + name;
  require(entry, "it does not export " ASHLAR_ENTRY_SYMBOL);
  require(others.empty(), "it exports also:" + others);
}

}  // namespace ashlar::check
