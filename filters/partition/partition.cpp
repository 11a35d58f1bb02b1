// partition: one partition of the layer below as a disk of its own.
#include <algorithm>
#include <ashlar/window.hpp>
#include <cctype>
#include <cstring>

#include "choose.hpp"
#include "gpt.hpp"
#include "mbr.hpp"

using namespace ashlar;

namespace {

constexpr const char* sector_sizes[] = {"auto", "512", "4096", nullptr};

// Throws BadParameter.
std::string guid(std::string_view given) {
  std::string text(given);
  bool good = text.size() == 36;
  for (std::size_t i = 0; good && i != text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    good = dash ? text[i] == '-' : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    text[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
  }
  if (!good)
    throw BadParameter("type_guid", "type_guid = \"" + std::string(given) +
                                        "\" is no GUID such as \"0fc63daf-8483-4772-8e79-3d69d8477de4\"");
  return text;
}

}  // namespace

class Partition final : public Window {
 public:
  static constexpr const char* group = "the shape of the disk";
  struct Layer {
    explicit Layer(const Create& create);
    Wanted wanted;
    const char* given = nullptr;  // the parameter that says which
    std::uint64_t sector = 0;     // 0: as it turns out
    Host host;
  };
  static constexpr Param params[] = {
      Param::integer("number", "of the partition, as Linux counts them: logical ones of an MBR from 5 on")
          .range(1, 8192),
      Param::string("label", "GPT: the name of the partition"),
      Param::string("type_guid", "GPT: the type of the partition, of which there must be one"),
      Param::choice("sector_size", sector_sizes, "of the disk, in bytes; auto: where a GPT is, else the blocks below")
          .or_else("auto"),
  };

  Partition(Layer& layer, const Open& open) : Window(open), layer_(layer) {}

  Geometry describe() override;

 private:
  void read_at(std::uint64_t offset, std::span<std::byte> into);
  Table read_table(const Disk& disk) const;

  const Layer& layer_;
};

Partition::Layer::Layer(const Create& create) : host(create.host) {
  const Params& given_params = create.params;
  for (const char* name : {"number", "label", "type_guid"}) {
    if (!given_params.has(name)) continue;
    if (given != nullptr)
      throw BadParameter(name, std::string(given) + " and " + name + " stand side by side: write one of them");
    given = name;
  }
  if (given == nullptr)
    throw std::invalid_argument("it needs one of number, label and type_guid, to know which partition is meant");
  if (given_params.has("number")) wanted.number = static_cast<unsigned>(given_params.integer("number"));
  if (given_params.has("label")) wanted.label = std::string(given_params.text("label"));
  if (given_params.has("type_guid")) wanted.type_guid = guid(given_params.text("type_guid"));
  const std::string_view size = given_params.choice("sector_size");
  if (size != "auto") sector = size == "512" ? 512 : 4096;
}

// In whole blocks of the layer below, as it wants to be asked.
void Partition::read_at(std::uint64_t offset, std::span<std::byte> into) {
  const std::uint64_t block = std::min<std::uint64_t>(below().preferred, 65536);
  std::vector<std::byte> buffer(block);
  while (!into.empty()) {
    const std::uint64_t begin = offset / block * block, end = std::min(begin + block, below().size);
    const std::span<std::byte> whole = std::span(buffer).first(end - begin);
    if (const Status s = next(Io::read(begin, whole)); s.failed())
      throw std::system_error(s.code(), std::generic_category(),
                              "cannot read the partition table at byte " + std::to_string(begin));
    const std::uint64_t n = std::min<std::uint64_t>(end - offset, into.size());
    std::memcpy(into.data(), whole.data() + (offset - begin), n);
    into = into.subspan(n);
    offset += n;
  }
}

Table Partition::read_table(const Disk& disk) const {
  const std::uint64_t usual = layer_.sector != 0 ? layer_.sector : std::max<std::uint64_t>(below().minimum, 512);
  if (!is_protective_mbr(disk)) return read_mbr(disk, std::min<std::uint64_t>(usual, 4096));
  const bool other = layer_.sector == 0 && !has_gpt_header(disk, 512) && has_gpt_header(disk, 4096);
  return read_gpt(disk, layer_.sector != 0 ? layer_.sector : other ? 4096 : 512);
}

Geometry Partition::describe() {
  const Disk disk{.size = below().size,
                  .read_at = [this](std::uint64_t offset, std::span<std::byte> into) { read_at(offset, into); },
                  .warn = [this](const std::string& text) { layer_.host.log(Level::warn, "%s", text.c_str()); }};
  try {
    const Table table = read_table(disk);
    const Entry& chosen = choose(table, layer_.wanted, disk.size);
    const std::uint64_t block = below().minimum;
    if (chosen.begin % block != 0 || (chosen.end % block != 0 && chosen.end != disk.size))
      throw BadTable("partition " + std::to_string(chosen.number) + " does not start and end on the " +
                     std::to_string(block) + " byte blocks of the layer below; put the filter align between the two");
    place(chosen.begin, chosen.end - chosen.begin);
  } catch (const BadTable& e) {
    throw BadParameter(layer_.given, e.what());
  }
  Geometry g = Window::describe();
  g.parks = true;
  return g;
}

ASHLAR_MODULE(Partition, .name = "partition", .version = "1.0", .summary = "one partition of the layer below",
              .threads = Threads::parallel)
