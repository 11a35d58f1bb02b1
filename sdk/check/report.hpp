// Report: one line per promise, as it is tried.
#pragma once
#include <cstdio>
#include <exception>
#include <string>

namespace ashlar::check {

// A promise that is broken, and how. Thrown by the checks.
struct Broken {
  std::string how;
};
// A promise that the module does not make.
struct NotMade {
  std::string why;
};

class Report {
 public:
  // Runs `check`, which throws Broken or NotMade. Anything else it throws breaks the promise, too.
  template <class Check>
  void promise(const char* text, Check check) {
    std::printf("  %-60s ", text);
    std::fflush(stdout);  // if the module ends the process, the last line names the promise
    try {
      check();
      std::puts("kept");
    } catch (const NotMade& n) {
      std::printf("- (%s)\n", n.why.c_str());
    } catch (const Broken& b) {
      broken(b.how.c_str());
    } catch (const std::exception& e) {
      broken(e.what());
    }
  }
  int broken_promises() const { return broken_; }

 private:
  void broken(const char* how) {
    std::printf("BROKEN: %s\n", how);
    ++broken_;
  }
  int broken_ = 0;
};

inline void require(bool kept, const std::string& how) {
  if (!kept) throw Broken{how};
}

}  // namespace ashlar::check
