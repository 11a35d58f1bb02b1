// Export's verbs: what a layer answers while the export is served.
#include <cerrno>

#include "chain/chain.hpp"
#include "chain/error_text.hpp"
#include "chain/export.hpp"
#include "config/did_you_mean.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t longest_answer = std::size_t{16} << 20;

// What a module answers, as it comes.
struct Answer {
  std::string text;
  bool too_long = false, no_memory = false;

  static void add(void* self, const char* text, std::size_t length) noexcept {
    auto& answer = *static_cast<Answer*>(self);
    if (text == nullptr || answer.too_long || answer.no_memory) return;
    answer.too_long = length > longest_answer - answer.text.size();
    if (answer.too_long) return;
    try {
      answer.text.append(text, length);
    } catch (const std::exception&) {
      answer.no_memory = true;
    }
  }
};

const Verbs::Offered& find_verb(const Layer& layer, const std::string& verb) {
  if (const auto* offered = layer.services().verbs().find(verb)) return *offered;
  std::vector<std::string> names;
  for (const Verbs::Offered& one : layer.services().verbs().all()) names.emplace_back(one.verb->name);
  throw VerbError(ENOENT, who(layer.name()) + ": no verb " + in_quotes(verb) +
                              (names.empty() ? "; it has none" : "; " + did_you_mean(verb, names)));
}

std::vector<const char*> c_strings(const Layer& layer, std::span<const std::string> texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) {
    if (text.find('\0') != std::string::npos)
      throw VerbError(EINVAL, who(layer.name()) + ": an argument has a NUL character; take it out");
    pointers.push_back(text.c_str());
  }
  return pointers;
}

}  // namespace

// The layers below the one at `index`; null: the verb needs none, or there are none.
std::unique_ptr<Chain> Export::open_for_verb(Layers& layers, std::size_t index, const ashlar_verb& verb) {
  if (verb.below == ASHLAR_BELOW_NONE || index + 1 == layers.all.size()) return nullptr;
  const bool writes = verb.below == ASHLAR_BELOW_WRITE;
  const std::string who_calls = who(layers.all[index]->name()) + ": " + verb.name;
  if (writes && read_only()) throw VerbError(EROFS, who_calls + " writes, and the export is read-only");
  auto chain = open(layers, !writes, nullptr, index + 1, ASHLAR_OPEN_FOR_VERB);
  if (writes && chain->geometry().read_only)
    throw VerbError(EROFS, who_calls + " writes, and the layers below cannot be written to");
  return chain;
}

std::string Export::call_verb(std::size_t index, const std::string& verb, std::span<const std::string> arguments,
                              Cancellation* cancellation) {
  Layers& layers = made();
  if (index >= layers.all.size()) throw VerbError(EINVAL, "export " + in_quotes(name()) + " has no such layer");
  const Layer& layer = *layers.all[index];
  const Verbs::Offered& offered = find_verb(layer, verb);
  const auto texts = c_strings(layer, arguments);
  activity_->check();

  const auto below = open_for_verb(layers, index, *offered.verb);
  Answer answer;
  ashlar_geometry offer{};
  ashlar_verb_call call{.struct_size = sizeof(ashlar_verb_call),
                        .n_arguments = static_cast<std::uint32_t>(texts.size()),
                        .arguments = texts.data(),
                        .next = nullptr,
                        .below = nullptr,
                        .self = &answer,
                        .answer = &Answer::add};
  if (below != nullptr) {
    offer = below->opened_.back()->geometry();
    if (below->geometry().read_only) {
      offer.ops &= ~Ops::writing().bits();
      offer.traits |= ASHLAR_READ_ONLY;
    }
    call.next = &below->opened_.back()->joint().device();
    call.below = &offer;
  }
  // Given back before the layers below are closed, which takes it, too.
  std::unique_lock<Turn> alone(layers.turn, std::defer_lock);
  if (layers.serial) alone.lock();
  ErrorText refusal;
  const Inside inside(*activity_, layer.name(), Call::verb,
                      cancellation != nullptr ? cancellation : &activity_->stopping());
  if (const std::int32_t status = offered.verb->call(offered.argument, &call, refusal.receiver()))
    throw VerbError(status > 0 ? status : EIO,
                    who(layer.name()) + ": " + verb + ": " + layer.without_secrets(refusal.cause(status)));
  if (answer.no_memory) throw std::bad_alloc();
  if (answer.too_long) throw VerbError(EMSGSIZE, who(layer.name()) + ": " + verb + ": the answer is over 16 MiB long");
  return layer.without_secrets(answer.text);
}

}  // namespace ashlar::host
