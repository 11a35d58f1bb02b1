// waiter: a filter whose verb "wait" answers when FILE.go is there, and gives up when nobody wants the answer any more.
// It makes FILE.inside when it has begun, and FILE.cancelled when it has given up.
#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/wait.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

using namespace ashlar;

class Waiter final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create) : file(create.params.path("file")), wait(create.host), verbs(create) {
      verbs.offer("wait", "answer when FILE.go is there", [this](VerbCall& call) { answer(call); });
    }
    void answer(VerbCall& call) const {
      make(".inside");
      while (!std::filesystem::exists(file + ".go")) {
        if (wait.cancelled()) {
          make(".cancelled");
          throw std::runtime_error("cancelled");
        }
        wait.sleep_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(10));
      }
      call.answer("it is there\n");
    }
    void make(const std::string& what) const { std::ofstream(file + what).put('\n'); }

    const std::string file;
    Wait wait;
    Verbs verbs;
  };
  static constexpr Param params[] = {Param::path("file", "what the names of the files begin with").needed()};

  Waiter(Layer&, const Open& open) : Filter(open) {}
};

ASHLAR_MODULE(Waiter, .name = "waiter", .version = "1.0", .summary = "a verb that waits", .threads = Threads::parallel)
