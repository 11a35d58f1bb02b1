// newer_filter: a filter that hands on, built with the headers of minor 1, and content with minor 0.
#include <ashlar/filter.hpp>
#include <ashlar/params.hpp>

class NewerFilter final : public ashlar::Filter {
 public:
  static constexpr ashlar::Param params[] = {ashlar::Param::string("label", "of no effect").or_else("new")};
  using Filter::Filter;
  ashlar::Geometry describe() override { return offer(ashlar::Flag::shortcuts); }
};

ASHLAR_MODULE(NewerFilter, .name = "newer_filter", .version = "1.1", .summary = "hands on, of ABI 1.1",
              .threads = ashlar::Threads::parallel, .needs_minor = 0)
