// Places: of an export, the places of those who have it open, or of those who write. How many there may be each says
// who takes one, as a reload may change that; those who came before count, too.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ashlar::host {

class Places {
 public:
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

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

  // Whether fewer than `most`, 1 or more, are taken. While all are and one who has one leaves, this waits: who comes
  // right behind him is not to be sent away. [any thread]
  bool is_free(std::size_t most, const Patience& patient);
  // Takes one for `holder`, who gives it back before it is gone; false: others have as many. Waits as is_free(). [any
  // thread]
  bool take(const Holder& holder, std::size_t most, const Patience& patient);
  // [who has taken one]
  void give_back(const Holder& holder);
  // Who has one, the first of them; empty: nobody. [any thread]
  std::string taken_by() const;

 private:
  bool wait(std::unique_lock<std::mutex>& lock, std::size_t most, const Patience& patient);

  mutable std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<const Holder*> holders_;  // in the order of their coming
};

// Those of an export.
struct ExportPlaces {
  Places of_writers, of_clients;
};

// Those of all exports by their names, each as long as somebody has it: an export that is removed has clients still,
// who count when another takes its name.
class PlacesByName {
 public:
  // [any thread]
  std::shared_ptr<ExportPlaces> of(const std::string& name);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<ExportPlaces>> all_;
  std::size_t most_ = 64;  // of all_, before those that nobody has are forgotten
};

}  // namespace ashlar::host
