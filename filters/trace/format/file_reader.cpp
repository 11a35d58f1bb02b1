#include "file_reader.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>

#include "texts.hpp"

namespace ashlar::trace {
namespace {

constexpr const char* written_over = "the segment was written over while it was read";
// What is held of the file at once.
constexpr std::uint64_t chunk = 1 << 20;

int open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) throw TraceError(path + ": " + std::strerror(errno));
  return fd;
}

int same_file(int fd, const std::string& path) {
  const int again = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (again < 0) throw TraceError(path + ": " + std::strerror(errno));
  return again;
}

template <class T>
T copied(std::span<const std::byte> from) {
  T to;
  std::memcpy(&to, from.data(), sizeof to);
  return to;
}

// Nanoseconds that no clock shows, 146 years; with no more, sums and differences of times do not overflow.
constexpr std::uint64_t no_time = std::uint64_t{1} << 62;
// Bytes of the largest disk that there can be.
constexpr std::uint64_t largest_disk = std::uint64_t{1} << 63;
// Bytes that may come with a request, as one must be able to ask for them. (proto.md, "Request message")
constexpr std::uint64_t largest_payload = std::uint64_t{1} << 32;

// Whether a request can have been so. A flush has no place on the disk.
bool can_be(const RecordEntry& record) {
  const auto op = static_cast<Op>(record.op);
  const std::uint64_t longest = op == Op::read || op == Op::write ? largest_payload : largest_disk;
  const bool in_time = record.start < no_time && record.done < no_time && record.sent < no_time;
  const bool on_disk = record.length <= longest && record.offset <= largest_disk - record.length;
  return in_time && (on_disk || op == Op::flush);
}

// Whether an entry that is longer than a chunk can be so long: only a payload is, and what is not known yet. Else a
// damaged size would have gigabytes read before the check tells.
bool can_be_so_long(std::span<const std::byte> head, std::uint64_t size) {
  const auto type = static_cast<EntryType>(copied<EntryHeader>(head).type);
  if (type > EntryType::triggered) return true;
  if (type != EntryType::record) return false;
  const auto record = copied<RecordEntry>(head);
  const std::uint64_t payload = payload_bytes(static_cast<PayloadKind>(record.payload), record.offset, record.length);
  return payload <= size - sizeof record && round_up(payload, 8) == size - sizeof record;
}

// From the clock of the records to that of the calendar.
std::int64_t to_realtime(const SegmentHeader& header) {
  if (header.realtime >= no_time || header.monotonic >= no_time) return 0;
  return static_cast<std::int64_t>(header.realtime - header.monotonic);
}

}  // namespace

FileReader::FileReader(const std::string& path, int fd, Listener& listener)
    : path_(path), listener_(listener), fd_(fd) {}

FileReader::FileReader(const std::string& path, Listener& listener) : FileReader(path, open_file(path), listener) {
  find_segments();
}

FileReader::FileReader(const FileReader& other, Listener& listener)
    : FileReader(other.path_, same_file(other.fd_, other.path_), listener) {
  segments_ = other.segments_;
  to_realtime_ = other.to_realtime_;
}

FileReader::~FileReader() { ::close(fd_); }

void FileReader::problem(std::uint64_t offset, const std::string& text) {
  if (told_problems_.emplace(offset, text).second)
    listener_.problem(path_ + ": offset " + std::to_string(offset) + ": " + text);
}

void FileReader::overtaken(std::uint64_t segments, std::uint64_t offset, const std::string& text) {
  completeness_.broken = true;
  const std::string with_place = path_ + ": offset " + std::to_string(offset) + ": " + text;
  if (told_problems_.emplace(here().sequence, with_place).second) listener_.overtaken(segments, with_place);
}

void FileReader::fail(std::uint64_t offset, const std::string& text) const {
  throw TraceError(path_ + ": offset " + std::to_string(offset) + ": " + text);
}

void FileReader::fail_for_memory(std::uint64_t offset) const {
  throw NoMemory(path_ + ": offset " + std::to_string(offset) + ": there is not enough memory to go on");
}

void FileReader::find_segments() {
  try {
    segments_ = segments_of(fd_);
    if (size_of(fd_) == 0) throw TraceError(path_ + ": the file is empty");
  } catch (const std::system_error& e) {
    throw TraceError(path_ + ": " + e.code().message());
  } catch (const std::bad_alloc&) {
    fail_for_memory(0);
  }
  if (segments_.found.empty()) fail(0, "this is no trace: no segment of one begins here");
  for (const std::uint64_t offset : segments_.breaks) {
    problem(offset, "no segment begins here");
    completeness_.broken = true;
  }
  for (const SegmentHeader& one : segments_.found) to_realtime_.try_emplace(one.run, to_realtime(one));
}

bool FileReader::next(Record& record) {
  try {
    return read_next(record);
  } catch (const std::system_error& e) {
    fail(at_, e.code().message());
  } catch (const std::bad_alloc&) {
    fail_for_memory(at_);
  }
}

bool FileReader::read_next(Record& record) {
  for (;;) {
    if (!inside_ && !enter(current_)) return false;
    const Entry found = entry();
    if (!inside_) continue;  // it was broken
    if (found.size == 0) {
      if (!leave()) return false;
      continue;
    }
    const std::uint64_t position = at_;
    at_ += found.size;
    record.position = position;
    if (take(found, record)) return true;
  }
}

// Goes to the beginning of a segment; false: there is none.
bool FileReader::enter(std::size_t segment) {
  if (segment >= segments_.found.size() && !find_newer()) return false;
  const SegmentHeader& header = segments_.found[segment];
  if (header.version != format_version)
    fail(header.position, "this trace has format " + std::to_string(header.version) + "; this program reads " +
                              std::to_string(format_version));
  // Of its first run, or of all that it holds: whole runs before it were written over.
  if (segment == 0) completeness_.beginning_lost = header.index != 0 || header.sequence != 1;
  else note_gap(segments_.found[segment - 1], header);
  inside_ = true;
  at_ = header.position + header.header_bytes;
  buffer_.clear();
  numbered_.clear();
  completeness_.ended = false;
  return true;
}

void FileReader::note_gap(const SegmentHeader& before, const SegmentHeader& header) {
  if (before.sequence + 1 == header.sequence) return;
  if (before.sequence >= header.sequence) {
    completeness_.broken = true;
    return problem(header.position, "this segment and the one at offset " + std::to_string(before.position) +
                                        " have one sequence, " + std::to_string(header.sequence));
  }
  const std::uint64_t missing = header.sequence - before.sequence - 1;
  overtaken(missing, header.position,
            missing == 1
                ? "segment " + std::to_string(before.sequence + 1) + ", which comes before this one, is missing"
                : "segments " + std::to_string(before.sequence + 1) + " to " + std::to_string(header.sequence - 1) +
                      ", which come before this one, are missing");
}

// Nothing more stands in the segment. False: nor anywhere else, now.
bool FileReader::leave() {
  const bool last = current_ + 1 >= segments_.found.size();
  buffer_.clear();  // what was read of the place where the next entry will stand
  if (last && !find_newer()) return false;
  if (last && entry().size != 0) return true;  // it was written meanwhile
  if (!inside_) return true;
  if (segments_.found[current_ + 1].run != here().run) {
    ++completeness_.killed;
  } else if (is_written_over()) {
    overtaken(1, at_, written_over);
  } else {
    completeness_.broken = true;
    problem(at_, "the segment has no end, although it is not the last one of its run");
  }
  inside_ = false;
  ++current_;
  return true;
}

// Looks for segments that were begun since. False: there are none; those of a file that was begun anew are another
// trace's.
bool FileReader::find_newer() {
  const std::size_t known = segments_.found.size();
  const std::uint64_t newest = segments_.found.back().sequence;
  const Segments now = segments_of(fd_);
  if (is_begun_anew()) return false;
  for (const SegmentHeader& one : now.found) {
    if (one.sequence <= newest) continue;
    segments_.found.push_back(one);
    to_realtime_.try_emplace(one.run, to_realtime(one));
  }
  return segments_.found.size() != known;
}

// Has the buffer hold `bytes` from at_ on, a chunk or less; false: the file ends before, or the segment is gone.
bool FileReader::fill(std::uint64_t bytes) {
  if (!buffer_.empty() && at_ >= buffer_at_ && at_ + bytes <= buffer_at_ + buffer_.size()) return true;
  const std::uint64_t rest = here().position + here().segment_bytes - at_;
  buffer_.resize(std::min(chunk, rest));
  buffer_at_ = at_;
  buffer_.resize(read_at(fd_, buffer_.data(), buffer_.size(), at_));
  // Of a file that is begun anew the checks fit, too, as its segments are counted from 1 on again.
  is_gone_ = is_written_over();
  if (is_gone_) buffer_.clear();
  listener_.read(buffer_.size());
  return !is_gone_ && buffer_.size() >= bytes;
}

// The entry at at_. None: nothing stands there yet, or there is a break, and the segment was left.
FileReader::Entry FileReader::entry() {
  // What a server writes just now may be there in part: a break is believed when it stays.
  for (int attempt = 0;; ++attempt) {
    Entry found;
    const char* const wrong = look(found);
    if (wrong == nullptr) return found;
    buffer_.clear();
    if (attempt < 2 && current_ + 1 == segments_.found.size()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    broken(wrong);
    return {};
  }
}

// Null: `found` is what stands at at_; else what is wrong with it.
const char* FileReader::look(Entry& found) {
  constexpr const char* cut_off = "the file ends within an entry";
  const std::uint64_t rest = here().position + here().segment_bytes - at_;
  if (rest < sizeof(EntryHeader)) return nullptr;
  if (!fill(sizeof(EntryHeader))) return is_gone_ ? written_over : buffer_.empty() ? nullptr : cut_off;
  const auto bytes = [this] { return std::span<const std::byte>(buffer_).subspan(at_ - buffer_at_); };
  const auto header = copied<EntryHeader>(bytes());
  if (header.size == 0) return nullptr;
  if (header.size < sizeof header || header.size % 8 != 0 || header.size > rest) return "this is no entry";
  const std::uint64_t held = std::min<std::uint64_t>(header.size, chunk);
  if (!fill(held)) return is_gone_ ? written_over : cut_off;
  const Entry entry{bytes().first(held), header.size};
  if (held != entry.size) {
    if (!can_be_so_long(entry.head, entry.size)) return "this is no entry";
    if (size_of(fd_) < at_ + entry.size) return cut_off;
  }
  if (!check_fits(entry)) return "the check of an entry does not fit";
  found = entry;
  return nullptr;
}

bool FileReader::check_fits(const Entry& entry) {
  const std::uint32_t wanted = copied<EntryHeader>(entry.head).check;
  if (entry.head.size() == entry.size) return wanted == check_of(entry.head, here().sequence);
  std::vector<std::byte> part;
  std::uint64_t done = 0;
  const auto next = [&]() -> std::span<const std::byte> {
    if (done == 0) return done = entry.head.size(), entry.head;
    part.resize(std::min(chunk, entry.size - done));
    part.resize(read_at(fd_, part.data(), part.size(), at_ + done));
    listener_.read(part.size());
    done += part.size();
    return part;
  };
  return wanted == check_of(next, here().sequence);
}

void FileReader::broken(const std::string& what) {
  if (is_written_over()) overtaken(1, at_, written_over);
  else problem(at_, what + "; the rest of the segment cannot be read");
  completeness_.broken = true;
  inside_ = false;
  ++current_;
}

bool FileReader::is_written_over() const {
  const auto now = header_at(fd_, here().position);
  return !now || now->sequence != here().sequence || now->run != here().run || now->monotonic != here().monotonic;
}

bool FileReader::is_at_path() const { return is_at(path_, fd_); }

// A file has its first segment again, and it is another one; or that was written over, too, by a run that did not begin
// behind what is known of the file.
bool FileReader::is_begun_anew() const {
  const auto now = header_at(fd_, 0);
  if (!now) return false;
  const SegmentHeader& first = segments_.found.front();
  if (now->sequence == 1) return first.sequence != 1 || now->run != first.run || now->monotonic != first.monotonic;
  return !to_realtime_.contains(now->run) && now->sequence - now->index <= segments_.found.back().sequence;
}

bool FileReader::is_being_written() const {
  if (::flock(fd_, LOCK_SH | LOCK_NB) != 0) return true;
  ::flock(fd_, LOCK_UN);
  return false;
}

// True: the entry is a record.
bool FileReader::take(const Entry& entry, Record& record) {
  const auto header = copied<EntryHeader>(entry.head);
  const auto type = static_cast<EntryType>(header.type);
  if (type == EntryType::record) return take_record(entry, record);
  if (type == EntryType::end_of_segment || type == EntryType::end_of_run) {
    completeness_.ended = type == EntryType::end_of_run;
    inside_ = false;
    ++current_;
    return false;
  }
  take_info(entry.head);
  return false;
}

bool FileReader::take_record(const Entry& entry, Record& record) {
  const Place* place = nullptr;
  if (entry.size >= sizeof(RecordEntry)) place = place_of(copied<EntryHeader>(entry.head).place);
  if (place == nullptr) {
    problem(record.position, "a record of no place");
    completeness_.broken = true;
    return false;
  }
  const auto from = copied<RecordEntry>(entry.head);
  if (!can_be(from)) {
    problem(record.position, "a record whose numbers cannot be: its length, its end or its time is beyond all bounds");
    completeness_.broken = true;
    return false;
  }
  record.run = here().run;
  record.id = from.id;
  record.connection = from.connection;
  record.op = static_cast<Op>(from.op);
  record.flags = Flags{from.flags};
  record.offset = from.offset;
  record.length = from.length;
  record.start = from.start;
  record.done = from.done;
  record.sent = from.sent;
  record.result = from.result;
  record.depth = from.entry.more;
  record.tries = from.tries;
  record.told_nothing = (from.marks & mark_told_nothing) != 0;
  record.left_out = (from.marks & mark_left_out) != 0;
  record.payload = static_cast<PayloadKind>(from.payload);
  record.place = place;
  record.segment = here().position;
  record.sequence = here().sequence;
  if (payload_bytes(record.payload, record.offset, record.length) > entry.size - sizeof from) {
    problem(record.position, "a record that is too short for its payload");
    record.payload = PayloadKind::none;
    completeness_.broken = true;
  }
  ++completeness_.records;
  completeness_.left_out += record.left_out ? 1 : 0;
  return true;
}

void FileReader::take_info(std::span<const std::byte> entry) {
  if (entry.size() < sizeof(InfoEntry)) return;
  const auto info = copied<InfoEntry>(entry);
  Texts texts = texts_in(entry.subspan(sizeof info));
  switch (static_cast<EntryType>(info.entry.type)) {
    case EntryType::place: return take_place(info, texts);
    case EntryType::client: return take_client(info, std::move(texts));
    case EntryType::lost: completeness_.dropped += number_in(texts, "requests"); return;
    default: return;
  }
}

void FileReader::take_place(const InfoEntry& info, const Texts& texts) {
  Place place;
  place.file = path_;
  place.run = here().run;
  place.number = info.entry.place;
  place.tag = text_in(texts, "tag");
  place.exported = text_in(texts, "export");
  place.size = number_in(texts, "size");
  place.minimum = static_cast<std::uint32_t>(number_in(texts, "minimum", 1));
  place.preferred = static_cast<std::uint32_t>(number_in(texts, "preferred", 4096));
  place.maximum = static_cast<std::uint32_t>(number_in(texts, "maximum"));
  const std::string kind = text_in(texts, "payload");
  place.payload = kind == "data" ? PayloadKind::data : kind == "hash" ? PayloadKind::hash : PayloadKind::none;
  place.to_realtime = to_realtime_[here().run];
  place.texts = texts;
  numbered_[info.entry.place] = known(place);
}

const Place* FileReader::known(const Place& place) {
  for (const Place& one : places_)
    if (one.run == place.run && one.number == place.number && one.texts == place.texts) return &one;
  return &places_.emplace_back(place);
}

void FileReader::take_client(const InfoEntry& info, Texts texts) {
  if (!told_clients_.emplace(here().run, info.connection).second) return;
  Client client{.run = here().run,
                .connection = info.connection,
                .place = place_of(info.entry.place),
                .came = number_in(texts, "came"),
                .texts = std::move(texts)};
  listener_.client(client);
}

const Place* FileReader::place_of(std::uint16_t number) const {
  const auto found = numbered_.find(number);
  return found != numbered_.end() ? found->second : nullptr;
}

void FileReader::payload(const Record& record, std::vector<std::byte>& into) {
  try {
    into.resize(payload_bytes(record.payload, record.offset, record.length));
    if (into.empty()) return;
    if (read_at(fd_, into.data(), into.size(), record.position + sizeof(RecordEntry)) != into.size())
      fail(record.position, "the file has become shorter");
    const auto now = header_at(fd_, record.segment);
    if (!now || now->sequence != record.sequence || now->run != record.run) fail(record.position, written_over);
  } catch (const std::system_error& e) {
    fail(record.position, e.code().message());
  } catch (const std::bad_alloc&) {
    fail_for_memory(record.position);
  }
}

}  // namespace ashlar::trace
