// Verbs: what a layer answers while it runs. (abi.h, ASHLAR_CONTROL_ID)
#pragma once
#include <ashlar/abi.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::host {

// Keeps its address: the module's table points to it. [one thread until close(), then any]
class Verbs {
 public:
  // A verb as the module has offered it.
  struct Offered {
    const ashlar_verb* verb;
    void* argument;
  };

  Verbs() : table_{sizeof(ashlar_control), 0, this, &Verbs::offer} {}
  Verbs(const Verbs&) = delete;
  Verbs& operator=(const Verbs&) = delete;

  // For the module.
  const ashlar_control& table() const { return table_; }
  // The layer's create is over: from now on no verb is added.
  void close() { closed_ = true; }
  // All of them, sorted by name.
  std::vector<Offered> all() const;
  // Null: it has none of that name.
  const Offered* find(std::string_view name) const;

 private:
  static std::int32_t offer(void* self, const ashlar_verb* verb, void* argument) noexcept;

  bool closed_ = false;
  std::map<std::string, Offered, std::less<>> all_;
  const ashlar_control table_;
};

// What `below` of a verb stands for: "none", "read", "write".
const char* below_name(std::uint32_t below);

}  // namespace ashlar::host
