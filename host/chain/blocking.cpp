#include "chain/blocking.hpp"

#include "fiber/fiber.hpp"

namespace ashlar::host {
namespace {

std::int64_t transfer_wherever(const Transfer& what) noexcept {
  Fiber* const fiber = Fiber::current();
  return fiber != nullptr ? fiber->transfer(what) : transfer(what);
}

std::int64_t read(void*, std::int32_t fd, void* into, std::uint64_t length, std::uint64_t offset,
                  std::uint32_t flags) noexcept {
  return transfer_wherever({.to = Transfer::To::memory,
                            .fd = fd,
                            .data = into,
                            .length = length,
                            .offset = offset,
                            .flags = static_cast<int>(flags)});
}

std::int64_t write(void*, std::int32_t fd, const void* from, std::uint64_t length, std::uint64_t offset,
                   std::uint32_t flags) noexcept {
  return transfer_wherever({.to = Transfer::To::file,
                            .fd = fd,
                            .data = const_cast<void*>(from),
                            .length = length,
                            .offset = offset,
                            .flags = static_cast<int>(flags)});
}

void run(void*, void (*work)(void*) noexcept, void* argument) noexcept {
  Fiber* const fiber = Fiber::current();
  if (fiber != nullptr) fiber->run_elsewhere(work, argument);
  else work(argument);
}

constexpr ashlar_blocking services{.struct_size = sizeof(ashlar_blocking),
                                   .reserved = 0,
                                   .self = nullptr,
                                   .read = &read,
                                   .write = &write,
                                   .run = &run};

}  // namespace

const ashlar_blocking& blocking_services() { return services; }

}  // namespace ashlar::host
