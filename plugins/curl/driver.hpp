// Driver: the thread that moves all transfers of a layer, by libcurl's multi interface: many requests on few
// connections, one for many where the server speaks HTTP/2.
#pragma once
#include <curl/curl.h>

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "settings.hpp"
#include "sockets.hpp"
#include "transfer.hpp"

// libcurl as one layer uses it.
class Library {
 public:
  Library();  // throws std::runtime_error
  ~Library() { curl_global_cleanup(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

class Driver {
 public:
  // `settings` outlives it. Throws std::bad_alloc, std::runtime_error, std::system_error.
  explicit Driver(const Settings& settings);
  // All transfers have ended or were given up. What libcurl still waits for is cut off.
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // A transfer that is used by nobody. Throws std::bad_alloc, std::runtime_error. [any thread, as are the others]
  Transfer& take();
  void give_back(Transfer& transfer) noexcept;
  // Moves one that has begun, until it has ended; then it is its taker's again, unless it was given up.
  void move(Transfer& transfer) noexcept;
  // Gives one up that is moved: it is no longer its taker's. It may have ended just before.
  void give_up(Transfer& transfer) noexcept;

 private:
  void run() noexcept;
  bool ends() noexcept;
  Transfer* next_new() noexcept;
  Transfer* next_given_up() noexcept;
  void collect() noexcept;
  void end(Transfer& transfer, CURLcode code) noexcept;
  void fail_all(CURLMcode code) noexcept;
  bool has_some() noexcept;
  void end_those_that_wait() noexcept;

  const Settings& settings_;
  const Library library_;
  Sockets sockets_;
  Transfer::Time heard_{};  // when the server was last heard of [thread_]
  const std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> multi_;

  std::mutex mutex_;                            // of what follows; not held while libcurl is called
  std::vector<std::unique_ptr<Transfer>> all_;  // destroyed before multi_
  std::vector<Transfer*> idle_, new_, moved_;   // have room for all; moved_: those that libcurl has
  bool drops_ = false;                          // some were given up
  bool ends_ = false;
  std::thread thread_;
};
