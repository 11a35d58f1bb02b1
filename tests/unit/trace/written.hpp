// What the tests of the trace's file share: files that are written, and what is read of them.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <numeric>
#include <string>
#include <vector>

#include "../temp_folder.hpp"
#include "format/file_reader.hpp"
#include "format/file_writer.hpp"

namespace ashlar::trace {

// Keeps what a reader tells.
struct Heard : Listener {
  void problem(const std::string& text) override { problems.push_back(text); }
  void client(const Client& client) override { clients.push_back(client); }
  std::vector<std::string> problems;
  std::vector<Client> clients;
};

inline RecordEntry entry(std::uint64_t id, std::uint64_t start, std::uint64_t done) {
  RecordEntry e{};
  e.id = id;
  e.connection = 1;
  e.offset = id * 4096;
  e.length = 4096;
  e.start = start;
  e.done = done;
  e.sent = done + 1;
  e.op = ASHLAR_OP_WRITE;
  e.tries = 1;
  return e;
}

inline Described place_called(const std::string& tag, std::uint64_t size = 1 << 20) {
  return {{{"tag", tag}, {"export", "disk"}, {"size", std::to_string(size)}, {"minimum", "512"}}};
}
inline Described some_client() { return {{{"transport", "unix"}, {"pid", "7"}}}; }

// A file of one place and one client.
class Written {
 public:
  explicit Written(const std::string& path, const FileWriter::Options& options, const std::string& tag = "above")
      : writer(path, options), place(place_called(tag)) {}
  void add(const RecordEntry& e, std::span<const std::byte> payload = {}) { writer.record(e, payload, place, client); }

  FileWriter writer;
  Described place;
  Described client = some_client();
};

inline std::string scratch(const TempFolder& folder) { return (folder.path() / "disk.trace").string(); }
inline std::vector<std::uint64_t> from_to(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> all(last - first + 1);
  std::iota(all.begin(), all.end(), first);
  return all;
}

inline std::vector<Record> all_of(FileReader& reader) {
  std::vector<Record> records;
  Record one;
  while (reader.next(one)) records.push_back(one);
  return records;
}

inline std::vector<std::uint64_t> ids(const std::vector<Record>& records) {
  std::vector<std::uint64_t> all;
  for (const Record& one : records) all.push_back(one.id);
  return all;
}

inline void put_at(const std::string& path, std::uint64_t offset, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)) < 0)
    throw std::runtime_error("cannot write to " + path);
  ::close(fd);
}

}  // namespace ashlar::trace
