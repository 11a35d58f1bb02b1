#include "driver.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

namespace {

constexpr int tick = 1000;  // ms; how late it may be seen that a transfer has waited for too long

}  // namespace

Library::Library() {
  if (const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK)
    throw std::runtime_error(std::string("libcurl cannot be used: ") + curl_easy_strerror(code));
  // A thread of libcurl's that waits for a name server may be left behind by a layer: its code has to stay.
  Dl_info where{};
  if (::dladdr(reinterpret_cast<const void*>(&curl_easy_init), &where) == 0) return;
  if (void* const itself = ::dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE); itself != nullptr)
    ::dlclose(itself);
}

Driver::Driver(const Settings& settings)
    : settings_(settings), sockets_(settings.timeout), multi_(curl_multi_init(), &curl_multi_cleanup) {
  if (multi_ == nullptr) throw std::bad_alloc();
  const long connections = settings.connections;
  curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  curl_multi_setopt(multi_.get(), CURLMOPT_MAX_HOST_CONNECTIONS, connections);
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, connections);
  thread_ = std::thread([this] { run(); });
}

Driver::~Driver() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  sockets_.cut_off();
  curl_multi_wakeup(multi_.get());
  thread_.join();
  for (const auto& transfer : all_) curl_multi_remove_handle(multi_.get(), transfer->handle());
}

Transfer& Driver::take() {
  const std::lock_guard lock(mutex_);
  if (!idle_.empty()) {
    Transfer& one = *idle_.back();
    idle_.pop_back();
    return one;
  }
  for (std::vector<Transfer*>* const room : {&idle_, &new_, &moved_}) room->reserve(all_.size() + 1);
  return *all_.emplace_back(std::make_unique<Transfer>(settings_, sockets_, heard_));
}

void Driver::give_back(Transfer& transfer) noexcept {
  const std::lock_guard lock(mutex_);
  idle_.push_back(&transfer);
}

void Driver::move(Transfer& transfer) noexcept {
  {
    const std::lock_guard lock(mutex_);
    new_.push_back(&transfer);
  }
  curl_multi_wakeup(multi_.get());
}

void Driver::give_up(Transfer& transfer) noexcept {
  if (!transfer.give_up()) return;
  {
    const std::lock_guard lock(mutex_);
    drops_ = true;
  }
  curl_multi_wakeup(multi_.get());
}

void Driver::run() noexcept {
  while (!ends()) {
    while (Transfer* const one = next_new())
      if (curl_multi_add_handle(multi_.get(), one->handle()) != CURLM_OK) end(*one, CURLE_OUT_OF_MEMORY);
    while (Transfer* const one = next_given_up()) end(*one, CURLE_ABORTED_BY_CALLBACK);
    int running = 0;
    CURLMcode code = curl_multi_perform(multi_.get(), &running);
    collect();
    end_those_that_wait();
    // Whoever comes, goes or ends wakes it; what libcurl itself waits for does so, too.
    const int longest = has_some() ? tick : std::numeric_limits<int>::max();
    if (code == CURLM_OK) code = curl_multi_poll(multi_.get(), nullptr, 0, longest, nullptr);
    if (code == CURLM_OK) continue;
    fail_all(code);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it may fail at once, again and again
  }
}

bool Driver::ends() noexcept {
  const std::lock_guard lock(mutex_);
  return ends_;
}

// In the order of their coming.
Transfer* Driver::next_new() noexcept {
  const std::lock_guard lock(mutex_);
  if (new_.empty()) return nullptr;
  Transfer* const one = new_.front();
  new_.erase(new_.begin());
  moved_.push_back(one);
  return one;
}

// One that libcurl does not have yet may be given up, too: it is found when it is moved.
Transfer* Driver::next_given_up() noexcept {
  const std::lock_guard lock(mutex_);
  if (!drops_) return nullptr;
  const auto found = std::ranges::find_if(moved_, [](const Transfer* one) { return one->given_up(); });
  drops_ = found != moved_.end() || !new_.empty();
  return found != moved_.end() ? *found : nullptr;
}

bool Driver::has_some() noexcept {
  const std::lock_guard lock(mutex_);
  return !moved_.empty();
}

// Those for which no connection was there for `timeout`, in which the server was not heard of by others either. It is a
// second more, so that libcurl's own timeout, which says more, comes first.
void Driver::end_those_that_wait() noexcept {
  const auto since = std::chrono::steady_clock::now() - settings_.timeout - std::chrono::seconds(1);
  if (heard_ > since) return;
  for (;;) {
    Transfer* one = nullptr;
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::ranges::find_if(moved_, [&](const Transfer* t) { return t->waits_since(since); });
      if (found == moved_.end()) return;
      one = *found;
    }
    end(*one, CURLE_OPERATION_TIMEDOUT);
  }
}

void Driver::collect() noexcept {
  int left = 0;
  while (const CURLMsg* const message = curl_multi_info_read(multi_.get(), &left)) {
    const CURLcode code = message->data.result;
    Transfer* one = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &one);
    end(*one, code);
  }
}

void Driver::end(Transfer& transfer, CURLcode code) noexcept {
  curl_multi_remove_handle(multi_.get(), transfer.handle());
  {
    const std::lock_guard lock(mutex_);
    std::erase(moved_, &transfer);
  }
  if (!transfer.ended(code)) give_back(transfer);
}

// libcurl is out of memory, or the like.
void Driver::fail_all(CURLMcode code) noexcept {
  for (;;) {
    Transfer* one = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (moved_.empty()) return;
      one = moved_.front();
    }
    end(*one, code == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT);
  }
}
