#include "choose.hpp"

namespace {

using Kind = Entry::Kind;

bool can_be_served(const Entry& entry) { return entry.kind == Kind::partition || entry.kind == Kind::logical; }

bool is_meant(const Entry& entry, const Wanted& wanted) {
  if (entry.kind == Kind::table) return false;
  if (wanted.number) return entry.number == *wanted.number;
  if (wanted.label) return entry.label == *wanted.label;
  return entry.type_guid == *wanted.type_guid;
}

std::string text_of(const Wanted& wanted) {
  if (wanted.number) return "the number " + std::to_string(*wanted.number);
  return wanted.label ? "the label \"" + *wanted.label + "\"" : "the type " + *wanted.type_guid;
}

std::string name_of(const Entry& entry) {
  return entry.kind == Kind::table ? "a partition table" : "partition " + std::to_string(entry.number);
}

// Those that there are, for who has asked for another.
std::string list_of(const Table& table) {
  std::string text;
  for (const Entry& entry : table.entries)
    if (can_be_served(entry))
      text += (text.empty() ? "there are " : ", ") + std::to_string(entry.number) +
              (entry.label.empty() ? "" : " (\"" + entry.label + "\")");
  return text.empty() ? "there is none at all" : text;
}

}  // namespace

const Entry& choose(const Table& table, const Wanted& wanted, std::uint64_t size) {
  if (!table.gpt && !wanted.number)
    throw BadTable("the disk has an MBR, whose partitions have a number, but neither a label nor a type GUID");
  const Entry* found = nullptr;
  for (const Entry& entry : table.entries) {
    if (!is_meant(entry, wanted)) continue;
    if (found != nullptr)
      throw BadTable(text_of(wanted) + " is that of the partitions " + std::to_string(found->number) + " and " +
                     std::to_string(entry.number) + "; use number");
    found = &entry;
  }
  if (found == nullptr) throw BadTable("no partition has " + text_of(wanted) + "; " + list_of(table));
  if (found->kind == Kind::container)
    throw BadTable(name_of(*found) + " is the extended one, which only holds others; " + list_of(table));
  if (found->end > size)
    throw BadTable(name_of(*found) + " ends at byte " + std::to_string(found->end) + ", outside of the disk of " +
                   std::to_string(size) + " bytes");
  for (const Entry& other : table.entries) {
    const bool holds_it = found->kind == Kind::logical && other.kind == Kind::container;
    if (&other != found && !holds_it && found->overlaps(other))
      throw BadTable(name_of(*found) + " overlaps " + name_of(other));
  }
  return *found;
}
