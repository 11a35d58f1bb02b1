// FileSystem: what is known beforehand of the file system that a file is on.
#pragma once

namespace ashlar::fileops {

struct FileSystem {
  unsigned long type = 0;      // statfs(2)'s f_type
  const char* name = nullptr;  // as mount(8) calls it; nullptr: one that is not in the table. Static.
  // Whether SEEK_DATA finds data as soon as write(2) has returned. Where it does not, a read that believed it would
  // return zeroes for data.
  bool tells_data_at_once = false;
  // Whether all errors of data that it could not write are kept in the kernel's page cache, which tells each descriptor
  // of them. Elsewhere a server or a program may tell one only.
  bool tells_each_of_lost_data = false;
};

// Of one type. Pure.
FileSystem file_system_of(unsigned long type);
// Of an open file; one that is not in the table when the kernel does not tell.
FileSystem file_system_of_file(int fd);

}  // namespace ashlar::fileops
