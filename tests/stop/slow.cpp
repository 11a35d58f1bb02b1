// slow: a filter whose flush, trim and zero take their time, or do not return until a file is there. It leaves a byte
// in a file for each that has begun, and everything else goes on to the layer below, on a worker.
#include <fcntl.h>
#include <unistd.h>

#include <ashlar/filter.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

using namespace ashlar;

class Slow final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create)
        : time(create.params.integer("milliseconds")),
          gate(create.params.path("gate")),
          tally(::open(std::string(create.params.path("tally")).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                       0666)) {
      if (tally < 0) throw std::system_error(errno, std::generic_category(), "cannot open the tally");
    }
    ~Layer() { ::close(tally); }
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;

    const std::chrono::milliseconds time;
    const std::string gate;
    const int tally;
  };
  static constexpr Param params[] = {Param::integer("milliseconds", "that each takes").or_else("0").range(0, 60'000),
                                     Param::path("gate", "nothing returns until this file is there"),
                                     Param::path("tally", "gets a byte for each that begins").needed()};

  Slow(Layer& layer, const Open& open) : Filter(open), layer_(layer) {}
  Status flush(Io& io) noexcept override { return take_time(io); }
  Status trim(Io& io) noexcept override { return take_time(io); }
  Status zero(Io& io) noexcept override { return take_time(io); }

 private:
  Status take_time(Io& io) noexcept {
    if (::write(layer_.tally, ".", 1) != 1) return Status::io_error();
    std::this_thread::sleep_for(layer_.time);
    std::error_code none;
    while (!layer_.gate.empty() && !std::filesystem::exists(layer_.gate, none))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return next(io);
  }

  Layer& layer_;
};

ASHLAR_MODULE(Slow, .name = "slow", .version = "1.0", .summary = "takes its time", .threads = Threads::parallel)
