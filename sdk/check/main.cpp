// ashlar-check: does a module keep what the SDK promises the host?
#include <fnmatch.h>

#include <algorithm>
#include <ashlar/rules/extension.hpp>
#include <chrono>
#include <cstdio>
#include <optional>
#include <stdexcept>

#include "checks.hpp"
#include "process.hpp"
#include "report.hpp"
#include "sequence.hpp"
#include "symbols.hpp"
#include "text.hpp"

using namespace ashlar;
using namespace ashlar::check;

namespace {

using Kind = Outcome::Kind;

// No check tries longer than this for the sake of trying more, and less when all of them have little time left.
constexpr std::chrono::milliseconds enough{1000};
// About as many checks as may be to come, among which the time that is left is shared.
constexpr int checks_to_come = 60;

// All checks of one module, one after the other.
class Run {
 public:
  Run(Options& options, Report& report) : options_(options), report_(report) {}

  // Throws Unusable when the module refuses the parameters, std::invalid_argument when no check has the name that is
  // asked for.
  void run() {
    before_it_is_used();
    if (!stopped_) know_secrets();
    if (!stopped_) {
      check({"opens", "can be opened with these parameters", nullptr, true}, [this] { return open_somehow(); });
      if (!options_.only.empty() && !size_index_) know_size(alone([this] { return open_somehow(); }));
    }
    for (const auto checks :
         {&life_checks, &trial_checks, &request_checks, &data_checks, &shortcut_checks, &together_checks, &below_checks,
          &promise_checks, &error_checks, &ability_checks, &verb_checks, &end_checks, &lock_checks})
      all_of(checks());
    if (!stopped_) sequences();
    if (report_.size() == 0) throw std::invalid_argument("no check fits --only " + options_.only);
  }

 private:
  void before_it_is_used() {
    check({"symbols", "exports " ASHLAR_ENTRY_SYMBOL " and nothing else", nullptr, true}, [this] {
      check_symbols(options_.file);
      return std::string();
    });
    check({"loads", "loads, and has a table for this ABI", nullptr, true}, [this] {
      const testing::Library library(options_.file);
      return std::string();
    });
    all_of(table_checks());
  }
  void all_of(std::span<const Check> checks) {
    for (const Check& one : checks)
      check(one, [&] {
        with_subject(one.run);
        return std::string();
      });
  }

  // In the process of a check: loads the module and hands it over.
  void with_subject(const std::function<void(const Subject&)>& use) {
    const Process process = Process::now();
    watch_.begin("loading");
    const testing::Library library(options_.file);
    watch_.end();
    const auto now = std::chrono::steady_clock::now();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(runner_.end() - now) / checks_to_come;
    const Subject subject{
        options_, watch_, library.module(), library.entry(), size_index_.value_or(0), now + std::min(enough, left)};
    try {
      use(subject);
    } catch (const Refused& r) {
      throw Broken{r.what()};
    }
    if (const std::string changed = process.difference(Process::now()); !changed.empty())
      throw Broken{"it changed the process, which is not its own: " + changed};
    if (connections_made() != 0 && !rules::connects(library.module()))
      throw Broken{std::string("it connects to others, and does not say so by ") + ASHLAR_CONNECTS_ID};
    watch_.begin("unloading");
  }

  // The first size of disk that a filter accepts: its index, as know_size() reads it.
  std::string open_somehow() {
    for (std::size_t i = 0;; ++i) {
      size_index_ = i;
      try {
        with_subject([](const Subject& s) {
          open_on_trial(s);
          Bench(s).look();
        });
        return std::to_string(i);
      } catch (const Unusable&) {
        bool filter = false;
        with_subject([&](const Subject& s) { filter = s.is_filter(); });
        if (!filter || i + 1 == disk_sizes.size()) throw;
      }
    }
  }

  // Before anything that the module has to say of its parameters is printed.
  void know_secrets() {
    const Outcome outcome = runner_.run([this] {
      const testing::Library library(options_.file);
      std::string told;
      for (const std::string& secret : secrets_of(library.module(), options_.given)) told += secret + '\0';
      return told;
    });
    if (outcome.kind != Kind::kept) return;
    for (std::size_t at = 0, end = 0; (end = outcome.text.find('\0', at)) != std::string::npos; at = end + 1)
      options_.secrets.push_back(outcome.text.substr(at, end - at));
  }

  // Of open_somehow(), which has run in another process.
  void know_size(const Outcome& opened) {
    if (opened.kind == Kind::kept) size_index_ = std::stoul(opened.text);
  }

  void sequences() {
    const auto find = [this](const Outcome&) {
      return find_sequence(
          runner_, options_.seed,
          [this](const Sequence& sequence) { with_subject([&](const Subject& s) { sequence.run(s); }); },
          [this](const Sequence& sequence) {
            std::string text;
            with_subject([&](const Subject& s) { text = sequence.commands(s); });
            return text;
          },
          command("sequences"));
    };
    check(
        {"sequences", "whatever the order of requests, the data are right", nullptr}, [] { return std::string(); },
        find);
  }

  // A command line that tries the same again.
  std::string command(const char* only) const {
    std::string text = "ashlar-check --only " + std::string(only) + " --seed " + std::to_string(options_.seed);
    if (options_.write) text += " --write";
    text += " " + shell_word(options_.file);
    for (const auto& [key, value] : options_.given) text += " " + shell_word(key + "=" + value);
    return text;
  }

  // Whether one of the patterns of --only fits.
  bool is_wanted(const char* name) const {
    if (options_.only.empty()) return true;
    for (std::size_t begin = 0; begin <= options_.only.size();) {
      const std::size_t comma = std::min(options_.only.find(',', begin), options_.only.size());
      if (::fnmatch(options_.only.substr(begin, comma - begin).c_str(), name, 0) == 0) return true;
      begin = comma + 1;
    }
    return false;
  }

  Outcome alone(const std::function<std::string()>& f) {
    const Outcome outcome = runner_.run(f);
    if (outcome.kind == Kind::unusable) throw Unusable{outcome.text};
    return outcome;
  }

  // Runs `f` in a process of its own; `then` makes the outcome of it, in this one.
  void check(const Check& what, const std::function<std::string()>& f,
             const std::function<Outcome(const Outcome&)>& then = {}) {
    if (stopped_ || !is_wanted(what.name)) return;
    report_.begin(what.name, what.promise);
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome = runner_.time_left() ? runner_.run(f) : runner_.time_is_over();
    if (then && outcome.kind == Kind::kept) outcome = then(outcome);
    report_.end(outcome, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (outcome.kind == Kind::unusable) throw Unusable{outcome.text};
    if (std::string_view(what.name) == "opens") know_size(outcome);
    hung_ += outcome.hung ? 1 : 0;
    // What hangs twice hangs on, and what cannot be opened cannot be asked.
    stopped_ = (outcome.kind == Kind::broken && what.needed) || hung_ == 2;
  }

  Options& options_;
  Report& report_;
  Watch& watch_ = Watch::make();
  Runner runner_{watch_, options_.in_process, options_.time};
  std::optional<std::size_t> size_index_;  // in disk_sizes
  int hung_ = 0;
  bool stopped_ = false;
};

int check_module(Options options) {
  if (!is_shared_object(options.file)) throw std::invalid_argument(options.file + " is no shared object");
  if (!options.json) std::puts(options.file.c_str());
  Report report(options);
  try {
    Run(options, report).run();
  } catch (const Unusable& u) {
    report.finish(u.why);
    std::fflush(stdout);
    std::fprintf(stderr, "ashlar-check: %s\n", report.shown(u.why).c_str());
    return 2;
  }
  report.finish();
  return report.broken_promises() == 0 && report.not_tried() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse_options(argc, argv);
    if (!options.help) return check_module(options);
    std::fputs(usage().c_str(), stdout);
    return 0;
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "ashlar-check: %s\nTry ashlar-check --help.\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ashlar-check: %s\n", e.what());
    return 2;
  }
}
