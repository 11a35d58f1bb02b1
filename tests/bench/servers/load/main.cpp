// ashlar-bench-load: asks an NBD server for work and tells how fast it came back. Open job.cpp first (the options),
// then connection.cpp (the client).
#include <sys/resource.h>

#include <atomic>
#include <barrier>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "connection.hpp"

namespace {

using namespace ashlar::bench;

struct Thread {
  const Job* job;
  std::unique_ptr<Connection> connection;
  Result result;
  std::exception_ptr error;
  std::thread thread;
};

std::vector<Thread> connect_all(const Options& options) {
  std::vector<Thread> threads;
  for (const Job& job : options.jobs)
    for (std::uint32_t i = 0; i < job.connections; ++i)
      threads.push_back({&job, std::make_unique<Connection>(options, job, i), {}, {}, {}});
  return threads;
}

// All begin together; returns when they did.
Clock::time_point run_all(std::vector<Thread>& threads) {
  std::barrier start(static_cast<std::ptrdiff_t>(threads.size() + 1));
  for (Thread& t : threads)
    t.thread = std::thread([&t, &start] {
      start.arrive_and_wait();
      try {
        t.result = t.connection->run();
      } catch (...) {
        t.error = std::current_exception();
      }
    });
  start.arrive_and_wait();
  const Clock::time_point begin = Clock::now();
  for (Thread& t : threads) t.thread.join();
  for (Thread& t : threads)
    if (t.error) std::rethrow_exception(t.error);
  return begin;
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::uint64_t print_job(const Job& job, const std::vector<Thread>& threads, Clock::time_point begin) {
  Result all;
  all.end = begin;
  for (const Thread& t : threads) {
    if (t.job != &job) continue;
    all.operations += t.result.operations;
    all.errors += t.result.errors;
    all.latency.add(t.result.latency);
    all.end = std::max(all.end, t.result.end);
  }
  const double seconds = std::chrono::duration<double>(all.end - begin).count();
  const double rate = seconds > 0 ? static_cast<double>(all.operations) / seconds : 0;
  std::printf(
      "{\"op\": \"%s\", \"block\": %u, \"depth\": %u, \"connections\": %u, \"operations\": %llu, \"errors\": %llu, "
      "\"seconds\": %.4f, \"ops_per_second\": %.1f, \"mib_per_second\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f}",
      job.op.c_str(), job.block, job.depth, job.connections, static_cast<unsigned long long>(all.operations),
      static_cast<unsigned long long>(all.errors), seconds, rate, rate * job.block / (1 << 20),
      static_cast<double>(all.latency.percentile(0.5)) / 1e3, static_cast<double>(all.latency.percentile(0.99)) / 1e3);
  return all.operations;
}

void print(const Options& options, const std::vector<Thread>& threads, Clock::time_point begin, double cpu) {
  std::printf("{\"jobs\": [");
  std::uint64_t operations = 0;
  for (const Job& job : options.jobs) {
    if (&job != &options.jobs.front()) std::printf(", ");
    operations += print_job(job, threads, begin);
  }
  std::printf("], \"operations\": %llu, \"client_cpu_us\": %.3f}\n", static_cast<unsigned long long>(operations),
              cpu * 1e6 / static_cast<double>(std::max<std::uint64_t>(1, operations)));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  try {
    options = parse_options(argc, argv);
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "ashlar-bench-load: %s\n%s", e.what(), usage);
    return 2;
  }
  try {
    std::vector<Thread> threads = connect_all(options);
    const double cpu = cpu_seconds();
    const Clock::time_point begin = run_all(threads);
    print(options, threads, begin, cpu_seconds() - cpu);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ashlar-bench-load: %s: %s\n", options.address.c_str(), e.what());
    return 1;
  }
}
