// WritePlace: of an exclusive export, the place of the one client at a time that may write.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

namespace ashlar::host {

class WritePlace {
 public:
  class Holder {
   public:
    // Who it is, for the log. Does not change while it has the place.
    virtual std::string who() const = 0;
    // Whether its client has gone, so that the place will be free soon. [any thread]
    virtual bool leaves() const = 0;

   protected:
    ~Holder() = default;
  };
  // Whether to go on waiting.
  using Patience = std::function<bool()>;

  // Whether nobody has the place. While the one who has it leaves, this waits: who comes right behind him is not to be
  // sent away. [any thread]
  bool is_free(const Patience& patient);
  // Takes it for `holder`, who gives it back before it is gone; false: another has it. Waits as is_free(). [any thread]
  bool take(const Holder& holder, const Patience& patient);
  // [who has taken it]
  void give_back();
  // Who has it; empty: nobody. [any thread]
  std::string taken_by() const;

 private:
  bool wait(std::unique_lock<std::mutex>& lock, const Patience& patient);

  mutable std::mutex mutex_;
  std::condition_variable given_back_;
  const Holder* holder_ = nullptr;
};

}  // namespace ashlar::host
