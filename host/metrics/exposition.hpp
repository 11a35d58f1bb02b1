// Exposition: figures as monitoring systems read them: Prometheus's text format 0.0.4, or OpenMetrics 1.0.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ashlar::host {

class Exposition {
 public:
  enum class Format { prometheus, open_metrics };
  enum class Kind { counter, gauge, histogram };
  using Labels = std::vector<std::pair<std::string, std::string>>;

  explicit Exposition(Format format) : format_(format) {}

  // A value of the metric `name`; of a counter, without "_total". All values of one name have the same kind and help.
  // What differs from the first in its kind is left out, and so is what would have lines of another metric's name:
  // readers would refuse all for it.
  void add(Kind kind, const std::string& name, const std::string& help, const Labels& labels, double value);
  // A histogram's: `counts` are of each bucket alone, and one more than `bounds`: of what lies above them.
  void add_histogram(const std::string& name, const std::string& help, const Labels& labels,
                     std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum);

  // All that was added, the metrics in the order of their names.
  std::string text() const;
  // What to say of it in Content-Type.
  static const char* content_type(Format format);

 private:
  struct Family {
    Kind kind;
    std::string help;
    std::string lines;
  };
  // Null: there is one of another kind, or of such lines.
  Family* family(Kind kind, const std::string& name, const std::string& help);

  const Format format_;
  std::map<std::string, Family> families_;
  std::set<std::string> lines_;  // the names of all their lines
};

}  // namespace ashlar::host
