#include "shared.hpp"

#include <algorithm>
#include <cerrno>

namespace ashlar::fileops {
namespace {

// So often a path may be found to lead elsewhere between looking at it and opening it.
constexpr int most_tries = 100;

}  // namespace

SharedBackend::Entry& SharedBackend::enter(bool read_only) {
  OpenOptions options = options_;
  options.read_only = options.read_only || read_only;
  const std::lock_guard one_at_a_time(opening_);
  for (int tries = 1;; ++tries) {
    const Identity identity = identify(options);
    if (Entry* const entry = join(identity)) return *entry;
    try {
      return add(identity, open_backend(options, identity, *syscalls_, host_));
    } catch (const OpenError& e) {
      const bool replaced = e.code().value() == ESTALE || identify(options) != identity;
      if (!replaced || tries == most_tries) throw;
    }
  }
}

// The entry of `identity`, with one user more, or null. One that is being closed is waited for: while it is open, an
// exclusive device cannot be opened again.
SharedBackend::Entry* SharedBackend::join(const Identity& identity) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto entry =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.identity == identity; });
    if (entry == entries_.end()) return nullptr;
    if (entry->users != 0) {
      ++entry->users;
      return &*entry;
    }
    closed_.wait(lock);
  }
}

SharedBackend::Entry& SharedBackend::add(const Identity& identity, std::unique_ptr<Backend> backend) {
  const std::lock_guard lock(mutex_);
  if (std::any_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.users != 0; }))
    host_.log(Level::info, "'%s' leads to another %s now; clients that are connected keep the one before",
              options_.path.c_str(), name(identity.kind));
  return entries_.emplace_back(Entry{identity, std::move(backend)});
}

void SharedBackend::leave(Entry& entry) {
  {
    const std::lock_guard lock(mutex_);
    if (--entry.users != 0) return;
  }
  entry.backend.reset();
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&entry](const Entry& e) { return &e == &entry; });
  closed_.notify_all();
}

}  // namespace ashlar::fileops
