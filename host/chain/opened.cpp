#include "chain/opened.hpp"

#include <ashlar/rules/extension.hpp>
#include <ashlar/rules/geometry.hpp>
#include <exception>
#include <string_view>

#include "chain/chain.hpp"
#include "chain/error_text.hpp"
#include "chain/export.hpp"
#include "chain/layer.hpp"

namespace ashlar::host {

Opened::Opened(const Layer& of, Chain& chain, std::size_t index, Opened* below, bool read_only, std::uint32_t purpose,
               const ForClient* client)
    : layer_(of),
      chain_(chain),
      index_(index),
      below_(below),
      client_(client),
      how_{.struct_size = sizeof(ashlar_open),
           .purpose = purpose,
           .read_only = read_only ? 1u : 0u,
           .reserved = 0,
           .export_name = chain.exported().name().c_str(),
           .next = below != nullptr ? &below->joint().device() : nullptr,
           .below = below != nullptr ? &below->geometry() : nullptr,
           .client = client != nullptr ? &client->client : nullptr,
           .self = this,
           .extension = &Opened::service},
      reopen_{sizeof(ashlar_reopen), 0, this, &Opened::generation, &Opened::reopen},
      disconnect_{sizeof(ashlar_disconnect), 0, this, &Opened::disconnect} {}

void Opened::open() {
  Activity& activity = chain_.exported().activity();
  Cancellation* const cancellation = client_ != nullptr ? &client_->of_reads : &activity.stopping();
  device_ = {};
  device_.struct_size = sizeof(ashlar_device);
  ErrorText refusal;
  {
    const Inside inside(activity, layer_.name(), Call::open, cancellation);
    in_open_ = true;
    const std::int32_t status = layer_.library().module().open(layer_.instance(), &how_, &device_, refusal.receiver());
    in_open_ = false;
    if (status != 0) throw layer_.refused(status, refusal);
  }
  if (device_.close == nullptr) throw layer_.at_fault("its device lacks close");
  is_open_ = true;
  if (device_.reserved != 0) throw layer_.at_fault("its device has something in a field that is reserved");
  if (device_.process == nullptr) throw layer_.at_fault("its device lacks process");
  if (device_.describe == nullptr) throw layer_.at_fault("its device lacks describe");
  const Inside inside(activity, layer_.name(), Call::describe, cancellation);
  describe();
}

namespace {

// Whether a device that is `now` can take the place of one that was `before`.
bool fits(const ashlar_geometry& now, const ashlar_geometry& before) {
  constexpr std::uint64_t gains = ASHLAR_MULTI_CONN | ASHLAR_PARKS, losses = ASHLAR_READ_ONLY | ASHLAR_ZERO_MAY_FAIL;
  const auto has_all = [](std::uint64_t all, std::uint64_t of) { return (of & ~all) == 0; };
  const auto limit = [](std::uint32_t maximum) { return maximum != 0 ? maximum : UINT32_MAX; };
  // Who is above asks for no more than before, so more is of use only where all of it is made of whole blocks.
  const bool same_end = now.bytes == before.bytes || (now.bytes > before.bytes && before.bytes % now.minimum == 0);
  return same_end && now.minimum <= before.minimum && limit(now.maximum) >= limit(before.maximum) &&
         has_all(now.ops, before.ops) && has_all(now.flags, before.flags) &&
         has_all(now.traits, before.traits & gains) && has_all(before.traits, now.traits & losses);
}

}  // namespace

void Opened::describe() {
  ashlar_geometry g{};
  g.struct_size = sizeof(ashlar_geometry);
  ErrorText complaint;
  if (const std::int32_t status = device_.describe(device_.self, &g, complaint.receiver()))
    throw layer_.refused(status, complaint);
  if (g.reserved != 0) throw layer_.at_fault("its geometry has something in a field that is reserved");
  g.struct_size = sizeof(ashlar_geometry);  // for the layer above, whatever this one has made of it
  g.ops &= ASHLAR_OPS_KNOWN;
  g.flags &= ASHLAR_FLAGS_KNOWN;
  g.traits &= ASHLAR_TRAITS_KNOWN;
  if (const std::string broken = rules::geometry_fault(g); !broken.empty()) throw layer_.at_fault(broken);
  if (described_ && !fits(g, geometry_)) throw layer_.at_fault("opened anew, it offers less than before");
  if (!described_) geometry_ = g;
  described_ = true;
}

void Opened::close() {
  if (!is_open_) return;
  is_open_ = false;
  const Inside inside(chain_.exported().activity(), layer_.name(), Call::close,
                      client_ != nullptr ? &client_->of_writes : nullptr);
  device_.close(device_.self);
}

bool Opened::tell_of_replies(bool on) {
  const bool may = on && is_open_ && device_.extension != nullptr;
  told_ = may ? static_cast<const ashlar_replied*>(device_.extension(device_.self, ASHLAR_REPLIED_ID)) : nullptr;
  if (told_ == nullptr) return false;
  if (!rules::is_usable(*told_)) {
    told_ = nullptr;
    throw layer_.at_fault(std::string("its ") + ASHLAR_REPLIED_ID + " is not whole");
  }
  return true;
}

void Opened::replied(std::span<const Replied> replies) {
  if (told_ == nullptr || replies.empty()) return;
  const Inside inside(chain_.exported().activity(), layer_.name(), Call::replied);
  for (const Replied& one : replies) told_->replied(told_->self, one.id, one.status);
}

Joint& Opened::joint() {
  if (!joint_) joint_.emplace(device_, layer_.name(), chain_.exported().activity());
  return *joint_;
}

const void* Opened::service(void* self, const char* id) noexcept {
  auto& here = *static_cast<Opened*>(self);
  const std::string_view asked(id);
  if (asked == ASHLAR_DISCONNECT_ID && here.client_ != nullptr) return &here.disconnect_;
  if (asked != ASHLAR_REOPEN_ID || here.below_ == nullptr || !here.in_open_) return nullptr;
  // Not when it is itself opened anew: by then those above have been told what may be lent.
  if (here.described_ && !here.below_->joint().is_exchangeable()) return nullptr;
  try {
    here.below_->joint().make_exchangeable();
    return &here.reopen_;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

std::uint64_t Opened::generation(void* self) noexcept {
  return static_cast<Opened*>(self)->below_->joint().generation();
}

std::int32_t Opened::reopen(void* self, std::uint64_t seen, ashlar_error* error) noexcept {
  auto& here = *static_cast<Opened*>(self);
  return here.below_->joint().exchange(seen, [&] { return here.chain_.reopen_below(here.index_, error); });
}

void Opened::disconnect(void* self) noexcept {
  try {
    static_cast<Opened*>(self)->client_->disconnect();
  } catch (const std::exception&) {
    // Nothing in it fails; a module must not learn of it if it did.
  }
}

}  // namespace ashlar::host
