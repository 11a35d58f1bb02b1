// LayerHost: the host as one layer sees it, with metrics and verbs of its own.
#pragma once
#include <ashlar/abi.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "padded.hpp"

namespace ashlar::check {

class Services;

// Safe for all threads. Keeps its address; outlives its layer, so that what comes too late is seen.
class LayerHost {
 public:
  // A verb, as it was when the layer offered it.
  struct Verb {
    const ashlar_verb* verb;
    void* argument;
    ashlar_verb then;
    std::string name, help;
  };

  explicit LayerHost(Services& services);
  ~LayerHost();
  LayerHost(const LayerHost&) = delete;
  LayerHost& operator=(const LayerHost&) = delete;

  const ashlar_host* host() const { return host_.get(); }
  // create has returned: no verb may be offered any more.
  void end_create();
  // destroy has returned: the layer has no host any more.
  void end() { over_ = true; }
  bool ended() const { return over_; }
  // In the order of their names.
  const std::vector<Verb>& verbs() const { return verbs_; }
  // Tickets that were begun and not waited for.
  std::size_t tickets() const;
  // Throws Broken if the layer has changed what it was only to read.
  void look() const;

 private:
  struct Waits;
  struct Blocking;
  struct Metrics;
  struct Control;

  static std::int32_t enabled(void* self, std::uint32_t) noexcept;
  static void log(void* self, std::uint32_t level, const char* text, std::size_t length) noexcept;
  static const void* extension(void* self, const char* id) noexcept;
  // The layer has used `what`.
  void used(const char* what) const noexcept;

  Services& services_;
  std::atomic<bool> over_{false};
  std::unique_ptr<Waits> wait_;
  std::unique_ptr<Blocking> blocking_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Control> control_;
  std::vector<Verb> verbs_;
  Padded<ashlar_host> host_;
};

}  // namespace ashlar::check
