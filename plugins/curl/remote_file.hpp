// RemoteFile: the file at the URL as a connection sees it: as it was when the layer opened it first, or
// not at all.
#pragma once
#include <ashlar/device.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>

#include "answer.hpp"
#include "driver.hpp"
#include "settings.hpp"

// What the connections of an export share.
struct Shared {
  // Throws BadParameter, std::runtime_error, std::system_error.
  explicit Shared(const ashlar::Create& create);

  const Settings settings;
  const ashlar::Host host;
  const ashlar::Wait wait;
  const ashlar::Counter requests, retries, connects;
  std::mutex mutex;                // of the next
  std::optional<Identity> served;  // the file, since it was opened first: layers above may keep bytes of it
  Driver driver;                   // last: its thread is gone before what it uses
};

class RemoteFile {
 public:
  // Asks how long the file is, and whether parts of it can be had. `shared` outlives it. Throws BadParameter, also when
  // it is another file than when the layer opened it first.
  RemoteFile(Shared& shared, ashlar::Purpose purpose);

  std::uint64_t size() const { return known_.size; }
  // Reads all of `into`, or fails, also when the file is no longer the one that it was. [data]
  ashlar::Status read(std::uint64_t offset, std::span<std::byte> into) const noexcept;

 private:
  // One transfer, which is given back at the end.
  class Use;
  template <class Once>
  Fault again_and_again(std::uint64_t times, Once once) const;
  bool pause(const Fault& fault, std::uint64_t n) const;
  Fault open_once(bool anew);
  Fault ask_size(bool anew);
  void keep_to_version() const;

  Shared& shared_;
  Identity known_;
};
