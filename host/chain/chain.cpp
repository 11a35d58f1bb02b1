#include "chain/chain.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>

#include "chain/export.hpp"

namespace ashlar::host {
namespace {

// Stands where layers could not be opened anew.
constexpr ashlar_device dead{.struct_size = sizeof(ashlar_device),
                             .reserved = 0,
                             .self = nullptr,
                             .describe = [](void*, ashlar_geometry*, ashlar_error*) noexcept { return EIO; },
                             .process = [](void*, ashlar_io*) noexcept { return EIO; },
                             .close = [](void*) noexcept {},
                             .extension = nullptr};

}  // namespace

Chain::Chain(const Export& of, Layers& layers, std::uint32_t purpose, const ForClient* client)
    : export_(of),
      layers_(layers),
      serial_(layers.serial),
      purpose_(purpose),
      activity_(of.activity()),
      client_(client),
      of_reads_(client != nullptr ? &client->of_reads : nullptr),
      of_writes_(client != nullptr ? &client->of_writes : nullptr) {}

void Chain::open_on_top(const Layer& layer, bool read_only) {
  activity_.check();
  Opened* const below = opened_.empty() ? nullptr : opened_.back().get();
  opened_.push_back(std::make_unique<Opened>(layer, *this, opened_.size(), below, read_only, purpose_, client_));
  opened_.back()->open();
  // What a layer has lent is read without its knowledge, and gone when it is opened anew.
  exchanges_ = exchanges_ || (below != nullptr && below->joint().is_exchangeable());
  if (exchanges_) opened_.back()->lend_nothing();
}

void Chain::finish(bool read_only) {
  const Opened& top = *opened_.back();
  top_ = top.device();
  top_name_ = &top.layer().name();
  geometry_ = from_abi(top.geometry());
  if (read_only || geometry_.read_only || !geometry_.ops.has(Op::write)) make_read_only();
  if (!export_.multi_conn()) geometry_.multi_conn = false;
  for (const auto& opened : opened_) wants_replies_ = opened->tell_of_replies(true) || wants_replies_;
}

void Chain::make_read_only() {
  geometry_.read_only = true;
  geometry_.ops = geometry_.ops.without(Ops::writing());
}

Chain::~Chain() {
  std::unique_lock<Turn> alone(layers_.turn, std::defer_lock);
  if (serial_) alone.lock();
  while (!opened_.empty()) opened_.pop_back();
}

std::vector<Geometry> Chain::geometries() const {
  std::vector<Geometry> all;
  for (auto opened = opened_.rbegin(); opened != opened_.rend(); ++opened)
    all.push_back(from_abi((*opened)->geometry()));
  return all;
}

bool Chain::parks() const {
  return std::all_of(opened_.begin(), opened_.end(),
                     [](const auto& opened) { return (opened->geometry().traits & ASHLAR_PARKS) != 0; });
}

Inside Chain::waiting_for_lent(std::chrono::steady_clock::time_point since) {
  return {activity_, opened_.front()->layer().name(), static_cast<Call>(ASHLAR_OP_READ), 0, 0, since};
}

void Chain::replied(std::span<const Replied> replies) {
  const std::shared_lock<std::shared_mutex> as_they_are(telling_);
  for (auto opened = opened_.rbegin(); opened != opened_.rend(); ++opened) (*opened)->replied(replies);
}

// Closes the layers below the one at `above`, opens them anew, and has those above see the new ones. When that fails,
// some may be open: they are closed by the next attempt, or with the chain.
std::int32_t Chain::reopen_below(std::size_t above, ashlar_error* error) noexcept {
  const auto tell = [&](bool on) {
    const std::unique_lock<std::shared_mutex> alone(telling_);
    for (std::size_t i = 0; i != above; ++i) opened_[i]->tell_of_replies(on);
  };
  tell(false);
  opened_[above - 1]->joint().set_below(dead);
  const auto failed = [error](std::int32_t status, const char* why) {
    if (error != nullptr && error->capacity != 0) std::snprintf(error->text, error->capacity, "%s", why);
    return status;
  };
  try {
    for (std::size_t i = above; i != 0; --i) opened_[i - 1]->close();
    for (std::size_t i = 0; i != above; ++i) {
      activity_.check();
      opened_[i]->open();
      if (i + 1 != above) opened_[i]->joint().set_below(opened_[i]->device());
    }
    tell(true);
  } catch (const OpenError& e) {
    return failed(e.facts().status, e.what());
  } catch (const std::exception& e) {
    return failed(EIO, e.what());
  }
  opened_[above - 1]->joint().set_below(opened_[above - 1]->device());
  return 0;
}

int Chain::process_serial(ashlar_io& io) {
  Turn& turn = layers_.turn;
  const bool may_wait = (io.flags & ASHLAR_NOWAIT) == 0;
  if (!may_wait && !turn.try_lock()) return EAGAIN;  // another connection's turn may take long
  if (may_wait && !turn.lock_unless([this] { return activity_.stopped(); })) return ESHUTDOWN;
  const std::unique_lock<Turn> alone(turn, std::adopt_lock);
  return call(io);
}

}  // namespace ashlar::host
