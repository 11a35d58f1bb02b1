#include "file_writer.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace ashlar::trace {
namespace {

constexpr std::uint64_t usual_segment = 64 << 20;
// Has room for a payload of 64 MiB.
constexpr std::uint64_t data_segment = 128 << 20;
constexpr std::uint64_t most_at_once = 256 << 10;
constexpr std::uint64_t terminator = 8;
// What a segment keeps free for its end: how many requests have no record, and the last entry.
constexpr std::uint64_t lost_room = round_up(sizeof(InfoEntry) + sizeof "requests=18446744073709551615", 8);
constexpr std::uint64_t end_room = lost_room + sizeof(InfoEntry) + terminator;
// What is left of a place for segments is worth another one.
constexpr std::uint64_t least_rest = 2 * segment_step;
// For what a segment tells of a record's place, or client: a few texts of up to 1 KiB each.
constexpr std::uint64_t most_texts = 6 << 10;
// Of the smallest segment there is something left for a payload.
static_assert(FileWriter::least_max_size / FileWriter::segments > 2 * most_texts + 16 * 1024);

std::uint64_t now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

std::uint64_t segment_bytes_for(std::uint64_t max_size, bool data) {
  if (max_size == 0) return data ? data_segment : usual_segment;
  return max_size / FileWriter::segments / segment_step * segment_step;
}

int open_or_make(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), path);
  return fd;
}

// A file that was there may be of another mode. Returns an errno; 0: nobody but its owner can read it.
int keep_to_owner(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return errno;
  return (status.st_mode & 0077) == 0 || ::fchmod(fd, 0600) == 0 ? 0 : errno;
}

// Whether a part of that has no room on the disk, as far as the file system tells.
bool has_hole(int fd, std::uint64_t from, std::uint64_t until) {
  const off_t hole = ::lseek(fd, static_cast<off_t>(from), SEEK_HOLE);
  return hole < 0 || static_cast<std::uint64_t>(hole) < until;
}

// Never the same twice: one place or client is told of by one writer after another.
std::uint64_t new_telling() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// Whether a file of places of `place_bytes` can have these segments: in each place they stand one behind the other, in
// the order in which they were begun. The rest of a place is free behind the newest one only.
bool fits(std::vector<SegmentHeader> found, std::uint64_t place_bytes) {
  if (found.empty()) return false;  // another writer has begun it anew just now
  const std::uint64_t newest = found.back().sequence;
  std::sort(found.begin(), found.end(),
            [](const SegmentHeader& a, const SegmentHeader& b) { return a.position < b.position; });
  for (std::size_t n = 0; n != found.size(); ++n) {
    const SegmentHeader& one = found[n];
    const std::uint64_t end = one.position + one.segment_bytes;
    const std::uint64_t place_end = one.position / place_bytes * place_bytes + place_bytes;
    if (end > place_end || place_end > FileWriter::segments * place_bytes) return false;
    const SegmentHeader* const before = n != 0 ? &found[n - 1] : nullptr;
    const bool behind = before != nullptr && before->position + before->segment_bytes == one.position &&
                        before->sequence + 1 == one.sequence;
    if (one.position % place_bytes != 0 && !behind) return false;
    const bool last = n + 1 == found.size() || found[n + 1].position >= place_end;
    if (last && end != place_end && one.sequence != newest) return false;
  }
  return true;
}

// Why the open file cannot be written to as a trace; empty: it can.
std::string unfit_content(int fd, bool append, std::uint64_t segment_bytes, bool limited) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw std::system_error(errno, std::generic_category());
  if (!S_ISREG(status.st_mode)) return "is no regular file";
  if (status.st_size == 0) return {};
  const auto first = header_at(fd, 0);
  if (!first) return "is there already and is no trace: move it away, or name another file";
  if (first->version != format_version)
    return "is there already and has format " + std::to_string(first->version) + ", where this program writes " +
           std::to_string(format_version) + ": move it away, or name another file";
  if (!append || !limited) return {};
  if (fits(segments_of(fd).found, segment_bytes)) return {};
  return "cannot be appended to, as it was written with another max_size: move it away, or name another file";
}

}  // namespace

FileWriter::FileWriter(const std::string& path, const Options& options)
    : path_(path),
      options_(options),
      segment_bytes_(segment_bytes_for(options.max_size, options.data)),
      fd_(open_or_make(path)) {
  try {
    open_existing();
  } catch (...) {
    ::close(fd_);
    throw;
  }
  is_made_ = true;
}

FileWriter::~FileWriter() { ::close(fd_); }

bool FileWriter::is_in_place() const { return is_at(path_, fd_); }

void FileWriter::open_existing() {
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0)
    throw BeingWritten("\"" + path_ + "\" is being written by another layer, or another server");
  if (!is_at(path_, fd_)) throw BeingWritten("\"" + path_ + "\" has been moved or removed just now");
  const std::string why = unfit_content(fd_, options_.append, segment_bytes_, options_.max_size != 0);
  if (!why.empty()) throw std::invalid_argument("\"" + path_ + "\" " + why);
  why_readable_ = keep_to_owner(fd_);
  if (size_of(fd_) == 0) begin();  // nothing can be lost
}

bool FileWriter::begin() {
  if (is_begun_ || begin_failed_) return is_begun_;
  do {
    try {
      if (!options_.append && ::ftruncate(fd_, 0) != 0) throw std::system_error(errno, std::generic_category(), path_);
      begin_behind_what_is_there();
      return is_begun_ = true;
    } catch (const std::system_error& e) {
      error_ = e.code().value();
      entries_.clear();
    }
  } while (tries_again(error_));
  begin_failed_ = is_made_;  // to look for what is there once more may take long
  return false;
}

// What is still as it was may have been moved away meanwhile: it is somebody's then.
bool FileWriter::tries_again(int error) const {
  return is_made_ && options_.again && options_.again(error) && (is_begun_ || is_in_place());
}

void FileWriter::begin_behind_what_is_there() {
  slots_ = segments_of(fd_).found;
  header_ = slots_.empty() ? SegmentHeader{} : slots_.back();
  end_of_file_ = 0;
  if (!slots_.empty()) {
    const std::uint64_t size = size_of(fd_);
    auto& last = *std::max_element(slots_.begin(), slots_.end(), [](const SegmentHeader& a, const SegmentHeader& b) {
      return a.position < b.position;
    });
    end_of_file_ = last.position + last.segment_bytes;
    if (options_.max_size == 0 && end_of_file_ > size) {
      // The next one begins right behind it.
      end_of_file_ = round_up(size, segment_step);
      last.segment_bytes = end_of_file_ - last.position;
      put_header(last);
    }
    if (options_.max_size != 0) {
      end_of_file_ = round_up(end_of_file_, segment_bytes_);
      if (go_on_in_last(size)) return;
      fill_place();
    }
  }
  begin_segment(next_position(), segment_bytes_);
  if (flush() || has_header_) return;
  if (!is_in_place()) throw std::system_error(error_, std::generic_category(), path_);
  entries_.add(header_);  // it is tried again with what comes
}

// The rest of the place whose segment was begun last takes the next one, so that small runs are not lost before the
// file is full. False: there is none. The new segment is there before the last one becomes smaller, and nobody sees it
// until then.
bool FileWriter::go_on_in_last(std::uint64_t size) {
  SegmentHeader last = header_;
  const std::uint64_t end = round_up(last.position + last.segment_bytes, segment_bytes_);
  // What was cut off is told as a break.
  const auto used = size < end ? std::max(size, last.position + last.header_bytes) : end_of_entries(fd_, last);
  if (!used) return false;
  const std::uint64_t begin = round_up(*used + terminator, segment_step);
  if (begin + least_rest > end) return false;
  begin_segment(begin, end - begin);
  if (!flush()) throw std::system_error(error_, std::generic_category(), path_);
  last.segment_bytes = begin - last.position;
  put_header(last);
  return true;
}

// The next segment goes to another place: between the last one and that place there must be nothing of nobody.
void FileWriter::fill_place() {
  SegmentHeader last = header_;
  const std::uint64_t end = last.position + last.segment_bytes;
  if (end % segment_bytes_ == 0) return;
  last.segment_bytes = round_up(end, segment_bytes_) - last.position;
  put_header(last);
}

void FileWriter::put_header(const SegmentHeader& header) {
  SegmentHeader put = header;
  put.check = check_of(put);
  if (::pwrite(fd_, &put, sizeof put, static_cast<off_t>(put.position)) != sizeof put)
    throw std::system_error(errno, std::generic_category(), path_);
}

std::uint64_t FileWriter::most_payload(const Options& options) {
  return segment_bytes_for(options.max_size, options.data) - sizeof(SegmentHeader) - sizeof(RecordEntry) -
         2 * most_texts - end_room - 8;
}

std::uint64_t FileWriter::next_position() {
  if (options_.max_size == 0 || end_of_file_ < segments * segment_bytes_) return end_of_file_;
  return std::min_element(slots_.begin(), slots_.end(),
                          [](const SegmentHeader& a, const SegmentHeader& b) { return a.sequence < b.sequence; })
      ->position;
}

void FileWriter::begin_segment(std::uint64_t position, std::uint64_t bytes) {
  const bool first = header_.run != options_.run;
  SegmentHeader next{};
  std::memcpy(next.magic, magic, sizeof magic);
  next.version = format_version;
  next.header_bytes = sizeof next;
  next.position = position;
  next.segment_bytes = bytes;
  next.sequence = header_.sequence + 1;
  next.run = options_.run;
  next.realtime = now(CLOCK_REALTIME);
  next.monotonic = now(CLOCK_MONOTONIC);
  next.index = first ? (options_.continues ? 1 : 0) : header_.index + 1;
  next.check = check_of(next);
  reused_ = position < size_of(fd_);
  end_of_file_ = std::max(end_of_file_, position + bytes);
  if (options_.max_size != 0) {
    std::erase_if(slots_, [position, bytes](const SegmentHeader& one) {
      return one.position >= position && one.position < position + bytes;
    });
    slots_.push_back(next);
  }
  header_ = next;
  has_header_ = false;
  telling_ = new_telling();
  at_ = position;
  reserved_ = 0;
  entries_.set_sequence(next.sequence);
  entries_.add(header_);
}

// False: there is none, since the disk is full or fails.
bool FileWriter::make_room(std::uint64_t size) {
  if (!begin()) return false;
  const std::uint64_t end = header_.position + header_.segment_bytes;
  if (at_ + entries_.bytes().size() + size + end_room <= end) return true;
  const std::uint64_t closes_at = at_ + entries_.bytes().size();
  if (!close_segment(EntryType::end_of_segment)) return false;
  closed_at_ = closes_at;
  closed_sequence_ = header_.sequence;
  begin_segment(next_position(), segment_bytes_);
  return true;
}

bool FileWriter::close_segment(EntryType how) {
  entries_.add(how, 0, 0, now(CLOCK_MONOTONIC));
  return write_out(end_room);
}

void FileWriter::tell(EntryType type, std::uint16_t place, std::uint64_t connection, Described& of) {
  if (of.told_in == telling_) return;
  of.told_in = telling_;
  entries_.add(type, place, connection, now(CLOCK_MONOTONIC), of.texts);
}

// Also for what is told of both.
bool FileWriter::make_room_with(std::uint64_t size, Described& place, Described& client) {
  for (Described* const one : {&place, &client})
    if (one->entry_bytes == 0) one->entry_bytes = Entries::size(one->texts);
  return make_room(size + place.entry_bytes + client.entry_bytes);
}

void FileWriter::record(const RecordEntry& record, std::span<const std::byte> payload, Described& place,
                        Described& client) {
  // Before the record is taken: what is thrown leaves it to who gave it.
  if (entries_.bytes().size() >= most_at_once) write_out(end_room);
  if (!make_room_with(Entries::size(payload.size()), place, client)) {
    ++lost_;
    return;
  }
  tell(EntryType::place, record.entry.place, 0, place);
  if (record.connection != 0) tell(EntryType::client, record.entry.place, record.connection, client);
  entries_.add(record, payload);
  ++held_;
}

bool FileWriter::add_info(EntryType type, std::uint16_t place, std::uint64_t connection, const TextList& texts) {
  if (!make_room(Entries::size(texts))) return false;
  entries_.add(type, place, connection, now(CLOCK_MONOTONIC), texts);
  return true;
}

void FileWriter::came(std::uint16_t place, std::uint64_t connection, Described& of_place, Described& of_client) {
  if (!make_room_with(0, of_place, of_client)) return;
  tell(EntryType::place, place, 0, of_place);
  if (connection != 0) tell(EntryType::client, place, connection, of_client);
}

void FileWriter::gone(std::uint16_t place, std::uint64_t connection) {
  add_info(EntryType::gone, place, connection, {});
}

bool FileWriter::lost(std::uint16_t place, std::uint64_t requests) {
  return add_info(EntryType::lost, place, 0, {{"requests", std::to_string(requests)}});
}

void FileWriter::triggered(std::uint16_t place, std::uint64_t connection, const std::string& why, std::uint64_t id) {
  TextList texts{{"trigger", why}};
  if (id != 0) texts.emplace_back("id", std::to_string(id));
  add_info(EntryType::triggered, place, connection, texts);
}

void FileWriter::add_end_of_run(std::uint64_t lost) {
  const std::uint64_t time = now(CLOCK_MONOTONIC);
  if (lost != 0) entries_.add(EntryType::lost, 0, 0, time, {{"requests", std::to_string(lost)}});
  entries_.add(EntryType::end_of_run, 0, 0, time);
}

void FileWriter::end(std::uint64_t lost) {
  if (!is_begun_ && (lost == 0 || !begin())) return;
  add_end_of_run(lost);
  if (!write_out(0)) {
    if (!has_header_ && closed_at_ == 0) return;
    entries_.clear();
    if (!has_header_) {
      // The disk has no room for this segment. So the one before is the last one, whose end says so.
      entries_.set_sequence(closed_sequence_);
      at_ = closed_at_;
      reused_ = true;
      has_header_ = true;
      reserves_ = false;  // it has kept room there
    }
    add_end_of_run(lost + take_lost());
    static_cast<void>(write_out(0));
    return;
  }
  // What the disk has kept, and nothing stands in, is free.
  if (!reused_ && reserved_ > at_) static_cast<void>(::ftruncate(fd_, static_cast<off_t>(at_)) == 0);
  if (options_.max_size != 0) return;
  header_.segment_bytes = round_up(at_ - header_.position, segment_step);
  header_.check = check_of(header_);
  // If it fails, the file is right all the same.
  static_cast<void>(::pwrite(fd_, &header_, sizeof header_, static_cast<off_t>(header_.position)) == sizeof header_);
}

bool FileWriter::flush() {
  begin_failed_ = false;
  return entries_.bytes().empty() || write_out(end_room);
}

// Has the disk keep room up to there, so that it has some for the end when it is full. Returns an errno; 0: it has, or
// the file system cannot say.
int FileWriter::reserve(std::uint64_t until) {
  until = std::min(until, header_.position + header_.segment_bytes);
  if (!reserves_ || until <= reserved_ || until <= at_) return 0;
  if (reused_ && !has_hole(fd_, at_, until)) return 0;  // a disk that is full may refuse to look for more
  if (::fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at_), static_cast<off_t>(until - at_)) == 0) {
    reserved_ = until;
    return 0;
  }
  reserves_ = errno != EOPNOTSUPP && errno != ENOSYS;
  return errno == ENOSPC || errno == EDQUOT ? errno : 0;
}

// Leaves `spare` bytes of room on the disk. What was written in part is written over by what comes next.
bool FileWriter::write_out(std::uint64_t spare) {
  const std::uint64_t size = entries_.bytes().size();
  std::uint64_t whole = size;
  if (reused_) {
    entries_.add_end();
    whole += terminator;
  }
  int error = 0;
  std::uint64_t done = 0;
  while (done != whole && error == 0) {
    error = reserve(at_ + whole + spare);
    if (error == 0) {
      const ssize_t n = ::pwrite(fd_, entries_.bytes().data() + done, whole - done, static_cast<off_t>(at_ + done));
      if (n > 0) done += static_cast<std::uint64_t>(n);
      else if (n == 0 || errno != EINTR) error = n == 0 ? ENOSPC : errno;
    }
    if (error != 0 && tries_again(error)) error = 0;
  }
  entries_.clear();
  if (error == 0) {
    at_ += size;
    has_header_ = true;
    held_ = 0;
    return true;
  }
  error_ = error;
  // A part of it may have been written. If nothing stands behind, it can be cut off.
  if (!reused_ && done != 0) {
    if (::ftruncate(fd_, static_cast<off_t>(at_)) != 0) reused_ = true;
    reserved_ = 0;
    static_cast<void>(reserve(at_ + end_room));
  }
  if (reused_ && done >= (has_header_ ? 1 : sizeof header_)) hide_part();
  forget();
  return false;
}

// Of what was written in part, whole entries could be read, although they are counted as lost; but for the header of a
// segment, which may stay.
void FileWriter::hide_part() {
  if (!std::exchange(has_header_, true)) at_ += sizeof header_;
  const std::byte end[terminator]{};
  // If it fails, they can be read and are counted, too.
  static_cast<void>(::pwrite(fd_, end, sizeof end, static_cast<off_t>(at_)) == sizeof end);
}

void FileWriter::forget() {
  entries_.clear();
  lost_ += std::exchange(held_, 0);
  telling_ = new_telling();
  if (is_begun_ && !has_header_) entries_.add(header_);
}

namespace {

// Why files of the folder that `path` is in can be neither made nor renamed; empty: they can.
std::string unfit_folder(const std::string& path, const char* to_do) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
  return std::string("cannot ") + to_do + " \"" + path + "\": " + std::generic_category().message(errno);
}

}  // namespace

std::string unfit(const std::string& path, const FileWriter::Options& options) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd >= 0) {
    std::string why;
    try {
      why = unfit_content(fd, options.append, segment_bytes_for(options.max_size, options.data), options.max_size != 0);
    } catch (const std::system_error& e) {
      why = "cannot be read: " + e.code().message();
    }
    ::close(fd);
    if (!why.empty()) return "\"" + path + "\" " + why;
    return options.moves ? unfit_folder(path, "rename") : why;
  }
  if (errno != ENOENT) return "cannot write to \"" + path + "\": " + std::generic_category().message(errno);
  return unfit_folder(path, "make");
}

}  // namespace ashlar::trace
