// OtherHost: a host that does as FakeHost, but for what a test has it do otherwise.
#pragma once
#include <ashlar/testing/fake_host.hpp>
#include <cstddef>
#include <cstdint>

namespace ashlar::testing {

class OtherHost {
 public:
  OtherHost() : host_(*fake_.services()) {
    host_.self = this;
    host_.log = [](void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
      static_cast<OtherHost*>(self)->log(level, text, length);
    };
    host_.log_enabled = [](void* self, std::uint32_t level) noexcept {
      const ashlar_host& real = *static_cast<OtherHost*>(self)->fake_.services();
      return real.log_enabled(real.self, level);
    };
    host_.extension = [](void* self, const char* id) noexcept { return static_cast<OtherHost*>(self)->extension(id); };
  }
  virtual ~OtherHost() = default;
  OtherHost(const OtherHost&) = delete;
  OtherHost& operator=(const OtherHost&) = delete;

  const ashlar_host* services() const { return &host_; }
  FakeHost& fake() { return fake_; }

 protected:
  virtual void log(std::uint32_t level, const char* text, std::size_t length) noexcept {
    const ashlar_host& real = *fake_.services();
    real.log(real.self, level, text, length);
  }
  virtual const void* extension(const char* id) noexcept {
    const ashlar_host& real = *fake_.services();
    return real.extension(real.self, id);
  }

 private:
  FakeHost fake_;
  ashlar_host host_;
};

}  // namespace ashlar::testing
