// ashlar-check: does a module keep what the SDK promises the host?
#include <ashlar/testing/library.hpp>
#include <cstring>
#include <filesystem>

#include "checks.hpp"

using namespace ashlar;
using namespace ashlar::check;

namespace {

constexpr const char* usage =
    "usage: ashlar-check [--write] MODULE.so [KEY=VALUE ...]\n"
    "\n"
    "Loads a module, gives it the parameters, and prints a line for each promise: kept, BROKEN, or - where it is not "
    "made.\n"
    "Filters are tried over a disk in memory. A plugin's data are read only, unless --write allows to overwrite them.\n"
    "Exit code: 0 all kept, 1 one broken, 2 wrong usage.\n";

struct Arguments {
  bool write = false;
  std::string file;
  testing::Given given;
};

// Throws std::invalid_argument.
Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.find('=');
    if (a.file.empty() && word == "--write") a.write = true;
    else if (a.file.empty() && word.starts_with("-")) throw std::invalid_argument("there is no option " + word);
    else if (a.file.empty()) a.file = word;
    else if (equals == std::string::npos) throw std::invalid_argument(word + " is not KEY=VALUE");
    else a.given.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  if (a.file.empty()) throw std::invalid_argument("which module?");
  if (!std::filesystem::is_regular_file(a.file)) throw std::invalid_argument(a.file + " is not a file");
  a.file = std::filesystem::absolute(a.file).string();  // without a slash the linker would look elsewhere
  return a;
}

// Parameters that do not fit, or with which nothing can be opened, are a mistake of the caller, not of the module.
void check_arguments(const Subject& subject) {
  try {
    static_cast<void>(Opened(subject));
  } catch (const testing::Malformed&) {  // the module's mistake, and told as such further on
  } catch (const testing::Refused& r) {
    throw std::invalid_argument("the module refuses to be opened with these parameters: " + std::string(r.what()));
  }
}

void run(Report& report, const Arguments& arguments) {
  check_file(report, arguments.file);
  std::unique_ptr<testing::Library> library;
  report.promise("loads, and has a table for this ABI",
                 [&] { library = std::make_unique<testing::Library>(arguments.file); });
  if (library == nullptr) return;
  const Subject subject{arguments.file, library->module(), library->entry(), arguments.given, arguments.write};
  if (!check_table(report, subject)) return;
  check_arguments(subject);
  check_life(report, subject);
  if (report.broken_promises() != 0) return;  // nothing to send requests to
  check_data(report, subject);
  check_lend_only(report, subject);
  check_layer_below(report, subject);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
      std::fputs(usage, stdout);
      return 0;
    }
    const Arguments arguments = parse(argc, argv);
    std::puts(arguments.file.c_str());
    Report report;
    run(report, arguments);
    if (report.broken_promises() == 0) return 0;
    std::printf("%d broken\n", report.broken_promises());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ashlar-check: %s\n", e.what());
    std::fputs("Try ashlar-check --help.\n", stderr);
    return 2;
  }
}
