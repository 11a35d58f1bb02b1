// Store: the file that holds what differs from the base. Each block of the disk has its place in it, so it is sparse.
//
// A kept one begins with a header of 4 KiB and the map, see README.md.
#pragma once
#include <ashlar/host.hpp>
#include <fileops/backend.hpp>
#include <fileops/host_syscalls.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tail.hpp"

struct Header {
  enum class State : std::uint32_t { normal, committing, discarding };
  std::uint32_t block = 0;
  State state = State::normal;
  std::uint64_t size = 0;         // of the base, in bytes
  std::uint64_t fingerprint = 0;  // of the base; means nothing while a commit is under way; 0: not known
};

class Store {
  struct Layout;

 public:
  // A file without a name, in `folder`, gone with the store. Throws std::system_error.
  static std::unique_ptr<Store> temporary(const std::string& folder, std::uint64_t size, ashlar::Host host);
  // Whether a store could be in `folder`, or at `path`, as far as that is seen without making one. Throw
  // std::system_error.
  static void must_have_room(const std::string& folder);
  static void must_have_room_for(const std::string& path);
  // Whether there is a file at `path`, or it cannot be told.
  static bool is_there(const std::string& path) noexcept;
  // What `path` holds, or nothing if there is no such file. Changes nothing. Throws std::runtime_error when it is
  // no overlay, or a link that leads nowhere, std::system_error.
  static bool look(const std::string& path, Header& found);
  // Throws likewise when the file, with the header `wanted`, is there and has been cut.
  static void must_be_whole(const std::string& path, const Header& wanted, std::uint64_t map_bytes);
  // Opens it, or makes it of `wanted`, complete or not at all; keeps others from using it. `map_bytes`: in whole pages.
  // Throws likewise, and when another has it.
  static std::unique_ptr<Store> kept(const std::string& path, const Header& wanted, std::uint64_t map_bytes,
                                     ashlar::Host host);
  // As kept(), of a file that is there, to be read alone, also while another has it.
  static std::unique_ptr<Store> to_look_at(const std::string& path, const Header& wanted, std::uint64_t map_bytes,
                                           ashlar::Host host);

  bool is_kept() const { return map_at_ != 0; }
  // Removes the file at `path` if it is this one, and kept() has made it.
  void remove_if_made(const std::string& path) const noexcept;
  const Header& header() const { return header_; }
  // Durable when it returns. Throws std::system_error: then nobody knows what the file has, see has_header().
  void set_header(const Header& header);
  // Whether the file has just the header().
  bool has_header() const { return has_header_; }
  // What the map in the file lacks. Of one that is_kept().
  Tail& tail() { return *tail_; }
  // A page of the map; durable with the next flush.
  ashlar::Status read_page(std::uint64_t page, std::span<std::byte> into) noexcept;
  ashlar::Status write_page(std::uint64_t page, std::span<const std::byte> from) noexcept;

  // The bytes of the disk, at its offsets. `parent`: the request that it is for. [data]
  ashlar::Status read(const ashlar::Io& parent, std::uint64_t offset, std::span<std::byte> into,
                      ashlar::Flags flags = {}) noexcept;
  // A read with Flag::lend_only; its offset is the disk's. Each block has its own place in the file, so what is lent
  // never comes to be another's.
  ashlar::Status lend(ashlar::Io& io) noexcept;
  ashlar::Status write(const ashlar::Io& parent, std::uint64_t offset, std::span<const std::byte> from,
                       ashlar::Flags flags = {}) noexcept;
  ashlar::Status zero(std::uint64_t offset, std::uint64_t bytes, ashlar::Flags flags) noexcept;
  // If it fails, no tail counts any more.
  ashlar::Status flush() noexcept;

 private:
  Store(ashlar::fileops::Fd fd, std::uint64_t map_at, std::uint64_t data_at, std::uint64_t end, ashlar::Host host);
  static std::unique_ptr<Store> of_file(ashlar::fileops::Fd fd, const std::string& path, const Layout& layout,
                                        ashlar::Host host);

  const std::uint64_t map_at_;  // 0: there is none
  const std::uint64_t data_at_;
  Header header_;
  bool has_header_ = true;
  std::uint64_t device_ = 0, inode_ = 0;  // of a file that kept() has made; 0: it was there
  ashlar::fileops::HostSyscalls syscalls_;
  std::optional<Tail> tail_;
  const std::unique_ptr<ashlar::fileops::Backend> file_;
};
