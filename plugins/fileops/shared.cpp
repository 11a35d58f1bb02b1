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
    std::shared_ptr<Backend> holder;
    if (Entry* const entry = join(identity, options.read_only, holder)) return *entry;
    options.exclusive = options_.exclusive && holder == nullptr;
    try {
      return add({identity, options.read_only, open_backend(options, identity, *syscalls_, host_), std::move(holder)});
    } catch (const OpenError& e) {
      const bool replaced = e.code().value() == ESTALE || identify(options) != identity;
      if (!replaced || tries == most_tries) throw;
    }
  }
}

// The entry of `identity` and `read_only`, with one user more; or null, and `holder` is what has opened the same device
// for the others. One that is being closed is waited for: while it is open, an exclusive device cannot be opened again.
SharedBackend::Entry* SharedBackend::join(const Identity& identity, bool read_only, std::shared_ptr<Backend>& holder) {
  std::unique_lock lock(mutex_);
  closed_.wait(lock, [&] {
    return std::none_of(entries_.begin(), entries_.end(),
                        [&](const Entry& e) { return e.identity == identity && e.users == 0; });
  });
  for (Entry& entry : entries_) {
    if (entry.identity != identity) continue;
    if (entry.read_only == read_only) {
      ++entry.users;
      return &entry;
    }
    holder = entry.holder != nullptr ? entry.holder : entry.backend;
  }
  return nullptr;
}

SharedBackend::Entry& SharedBackend::add(Entry entry) {
  const std::lock_guard lock(mutex_);
  if (std::any_of(entries_.begin(), entries_.end(),
                  [&](const Entry& e) { return e.users != 0 && e.identity != entry.identity; }))
    host_.log(Level::info, "'%s' leads to another %s now; clients that are connected keep the one before",
              options_.path.c_str(), name(entry.identity.kind));
  return entries_.emplace_back(std::move(entry));
}

void SharedBackend::leave(Entry& entry) {
  {
    const std::lock_guard lock(mutex_);
    if (--entry.users != 0) return;
  }
  entry.backend.reset();
  entry.holder.reset();
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&entry](const Entry& e) { return &e == &entry; });
  closed_.notify_all();
}

}  // namespace ashlar::fileops
