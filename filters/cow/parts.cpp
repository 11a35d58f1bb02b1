#include "parts.hpp"

#include <algorithm>
#include <bit>

Parts::Parts(std::uint64_t parts) : words_(parts / parts_of_word + (parts % parts_of_word != 0)) {}

Parts::Run Parts::run(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t word = words_[begin / parts_of_word].load(std::memory_order_acquire);
  const bool there = (word >> begin % parts_of_word & 1) != 0;
  for (std::uint64_t part = begin;;) {
    const std::uint64_t other = (there ? ~word : word) >> part % parts_of_word;
    if (other != 0) return {there, std::min(part + static_cast<std::uint64_t>(std::countr_zero(other)), end)};
    part += parts_of_word - part % parts_of_word;
    if (part >= end) return {there, end};
    word = words_[part / parts_of_word].load(std::memory_order_acquire);
  }
}

void Parts::add(std::uint64_t begin, std::uint64_t end) {
  while (begin != end) {
    const std::uint64_t first = begin % parts_of_word, n = std::min(end - begin, parts_of_word - first);
    words_[begin / parts_of_word].fetch_or(~std::uint64_t{0} >> (parts_of_word - n) << first,
                                           std::memory_order_acq_rel);
    begin += n;
  }
}
