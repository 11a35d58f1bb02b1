// Places: of an export that not everybody may have open at once, the places of those who may.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace ashlar::host {

class Places {
 public:
  class Holder {
   public:
    // Who it is, for the log. Does not change while it has a place.
    virtual std::string who() const = 0;
    // Whether its client has gone, so that its place will be free soon. [any thread]
    virtual bool leaves() const = 0;

   protected:
    ~Holder() = default;
  };
  // Whether to go on waiting.
  using Patience = std::function<bool()>;

  // `most`: how many there are, 1 or more.
  explicit Places(std::size_t most) : most_(most) {}

  std::size_t most() const { return most_; }
  // Whether a place is free. While none is and one who has one leaves, this waits: who comes right behind him is not to
  // be sent away. [any thread]
  bool is_free(const Patience& patient);
  // Takes one for `holder`, who gives it back before it is gone; false: others have them all. Waits as is_free(). [any
  // thread]
  bool take(const Holder& holder, const Patience& patient);
  // [who has taken one]
  void give_back(const Holder& holder);
  // Who has one, the first of them; empty: nobody. [any thread]
  std::string taken_by() const;

 private:
  bool wait(std::unique_lock<std::mutex>& lock, const Patience& patient);

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<const Holder*> holders_;  // in the order of their coming
};

}  // namespace ashlar::host
