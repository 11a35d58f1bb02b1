#include "module/other_names.hpp"

#include <algorithm>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

struct Filter {
  std::string_view word, type, what;
};
constexpr Filter filters_of_nbdkit[] = {
    {"blocksize", "align", "block_size = 4096"},
    {"delay", "fault", "rules = [\"read delay=40ms\"]"},
    {"error", "fault", "rules = [\"read error=EIO probability=0.01\"]"},
    {"evil", "fault", "rules = [\"read flip=1 probability=0.01\"]"},
    {"pause", "fault", "`ashlar control EXPORT/fault pause`"},
    {"readahead", "cache", "which reads ahead"},
};

struct Key {
  std::string_view word, key;
};
constexpr Key keys[] = {{"limit", "max_connections = 1"}, {"multi-conn", "multi_conn = \"off\""}};

}  // namespace

std::string other_name(std::string_view word, std::span<const std::string> filters) {
  for (const Filter& one : filters_of_nbdkit)
    if (one.word == word && std::find(filters.begin(), filters.end(), one.type) != filters.end())
      return "did you mean " + in_quotes(one.type) + ", " + std::string(one.what) + "?";
  for (const Key& one : keys)
    if (one.word == word) return "did you mean " + std::string(one.key) + ", a key of [[export]]?";
  return {};
}

}  // namespace ashlar::host
