// Parts: the files and devices of a layer, one behind the other, as its connections use them.
#pragma once
#include <ashlar/device.hpp>
#include <deque>
#include <fileops/shared.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// One file or device, where it lies in the disk, and a connection's hold on it.
struct Part {
  std::uint64_t begin = 0, end = 0;
  ashlar::fileops::Backend* backend = nullptr;
};

class Parts {
 public:
  // Throws BadParameter.
  explicit Parts(const ashlar::Create& create);

  // A connection's hold on all parts.
  class Use {
   public:
    // Throws BadParameter, std::system_error. [control, any thread]
    Use(Parts& parts, bool read_only);
    const std::vector<Part>& all() const { return all_; }
    const ashlar::Geometry& geometry() const { return geometry_; }

   private:
    void add(const std::string& path, ashlar::fileops::Backend& backend, bool is_last);

    std::deque<ashlar::fileops::SharedBackend::Use> held_;
    std::vector<Part> all_;
    ashlar::Geometry geometry_;
  };

 private:
  // What lies behind a part of another size would be somewhere else than it was. Throws BadParameter.
  void must_be_as_before(const std::vector<Part>& now);

  std::vector<std::string> paths_;
  std::deque<ashlar::fileops::SharedBackend> backends_;
  std::mutex mutex_;
  std::vector<std::uint64_t> ends_;  // of all parts but the last, as the first connection found them
};
