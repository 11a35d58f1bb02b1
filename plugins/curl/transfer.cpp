#include "transfer.hpp"

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

using namespace ashlar;

namespace {

// What comes with an error is read up to this length, so that the connection can be used again.
constexpr std::uint64_t longest_error = 64u << 10;
constexpr long buffer_bytes = 128 << 10;
constexpr long most_redirects = 10;
// What is slower for as long as `timeout` is given up, bytes a second.
constexpr long least_speed = 1000;

const char* text_or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

int errno_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT: return ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT: return ETIMEDOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE: return ECONNRESET;
    case CURLE_REMOTE_FILE_NOT_FOUND:
    case CURLE_FILE_COULDNT_READ_FILE: return ENOENT;
    case CURLE_REMOTE_ACCESS_DENIED:
    case CURLE_LOGIN_DENIED: return EACCES;
    case CURLE_OUT_OF_MEMORY: return ENOMEM;
    default: return EIO;
  }
}

// Whether another try may do better: what is wrong with a network or with a connection.
bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_FTP_ACCEPT_FAILED:
    case CURLE_FTP_ACCEPT_TIMEOUT: return true;
    default: return false;
  }
}

}  // namespace

template <class Value>
void Transfer::set(CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(handle_.get(), option, value);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != CURLE_OK)
    throw std::runtime_error("libcurl cannot be set up (option " + std::to_string(option) +
                             "): " + curl_easy_strerror(code));
}

Transfer::Transfer(const Settings& settings, Sockets& sockets, Time& heard)
    : settings_(settings), heard_(heard), handle_(curl_easy_init()) {
  if (handle_ == nullptr) throw std::bad_alloc();
  add_header("Accept-Encoding: identity");
  for (const std::string& line : settings.headers) add_header(line);
  // As a header it is held back by libcurl from other servers, which CURLOPT_COOKIE is not.
  if (!settings.cookies.empty()) add_header("Cookie: " + settings.cookies);
  set_up(sockets);
  set_up_access();
}

void Transfer::add_header(const std::string& line) {
  curl_slist* const longer = curl_slist_append(headers_.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  static_cast<void>(headers_.release());
  headers_.reset(longer);
}

void Transfer::set_up(Sockets& sockets) {
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_URL, settings_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https,ftp,ftps,file");
  // Nobody leads away from where the answer is encrypted, nor into the files of this machine.
  set(CURLOPT_REDIR_PROTOCOLS_STR, settings_.is_https ? "https" : "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, most_redirects);
  // Without TLS nobody speaks HTTP/2, for which it is worth to wait until a connection is made.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(settings_.is_https ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PIPEWAIT, settings_.is_https ? 1L : 0L);
  set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_USERAGENT, "ashlar");
  set(CURLOPT_FILETIME, settings_.is_http ? 0L : 1L);
  if (settings_.is_ftps) set(CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));  // what comes, too
  set(CURLOPT_PREREQFUNCTION, &before_request);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, &header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_ERRORBUFFER, message_.data());
  set(CURLOPT_BUFFERSIZE, buffer_bytes);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a thread that waits for a name server is left behind
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  const long seconds = settings_.timeout.count();
  set(CURLOPT_CONNECTTIMEOUT, seconds);
  set(CURLOPT_LOW_SPEED_LIMIT, least_speed);
  set(CURLOPT_LOW_SPEED_TIME, seconds);
  set(CURLOPT_SERVER_RESPONSE_TIMEOUT, seconds);
  sockets.serve(handle_.get());
}

void Transfer::set_up_access() {
  set(CURLOPT_HTTPHEADER, headers_.get());
  if (!settings_.token.empty()) {
    set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    set(CURLOPT_XOAUTH2_BEARER, settings_.token.c_str());
  }
  if (!settings_.user.empty()) {
    set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    set(CURLOPT_USERNAME, settings_.user.c_str());
    set(CURLOPT_PASSWORD, settings_.password.c_str());
  }
  set(CURLOPT_PROXY, settings_.proxy.c_str());  // empty: none, whatever the environment says
  set(CURLOPT_NOPROXY, "");
  // Through a tunnel: otherwise the proxy would answer by HTTP, whatever the file's own protocol.
  set(CURLOPT_HTTPPROXYTUNNEL, settings_.is_http ? 0L : 1L);
  set(CURLOPT_PROXYUSERNAME, text_or_null(settings_.proxy_user));
  set(CURLOPT_PROXYPASSWORD, text_or_null(settings_.proxy_password));
  if (settings_.ca.empty()) return;
  for (const CURLoption option : settings_.ca_is_folder ? std::array{CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH}
                                                        : std::array{CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO})
    set(option, settings_.ca.c_str());
  // Those of the system are no longer trusted.
  for (const CURLoption option : settings_.ca_is_folder ? std::array{CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO}
                                                        : std::array{CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH})
    set(option, static_cast<const char*>(nullptr));
}

void Transfer::want_bytes(std::uint64_t offset, std::span<std::byte> into, const Identity* known) {
  head_only_ = false;
  offset_ = offset;
  into_ = into;
  known_ = known;
  set(CURLOPT_HTTPGET, 1L);  // after a head
  set(CURLOPT_RANGE, (std::to_string(offset) + "-" + std::to_string(offset + into.size() - 1)).c_str());
}

void Transfer::want_head() {
  head_only_ = true;
  into_ = {};
  known_ = nullptr;
  set(CURLOPT_RANGE, static_cast<const char*>(nullptr));
  set(CURLOPT_NOBODY, 1L);
}

void Transfer::want_new_connection(bool wanted) { set(CURLOPT_FRESH_CONNECT, wanted ? 1L : 0L); }

void Transfer::begin(Wait::Ticket& ticket) {
  answer_.clear();
  begun_ = std::chrono::steady_clock::now();
  sent_ = false;
  looked_at_ = false;
  received_ = passed_over_ = 0;
  fault_ = {};
  message_.front() = '\0';
  const std::lock_guard lock(mutex_);
  ticket_ = &ticket;
}

bool Transfer::give_up() noexcept {
  const std::lock_guard lock(mutex_);
  if (ticket_ == nullptr) return false;
  into_ = {};
  std::exchange(ticket_, nullptr)->done(ECANCELED);
  return true;
}

bool Transfer::given_up() const {
  const std::lock_guard lock(mutex_);
  return ticket_ == nullptr;
}

int Transfer::before_request(void* self, char*, char*, int, int) noexcept {
  auto& me = *static_cast<Transfer*>(self);
  me.sent_ = true;
  me.heard_ = std::chrono::steady_clock::now();
  return CURL_PREREQFUNC_OK;
}

std::size_t Transfer::header(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  try {
    return static_cast<Transfer*>(self)->take_header({data, size * count});
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

std::size_t Transfer::take_header(std::string_view line) {
  heard_ = std::chrono::steady_clock::now();
  if (!settings_.is_http) return line.size();
  answer_.line(line);
  const bool redirects = answer_.status() / 100 == 3 && !answer_.location().empty();
  if (!redirects || settings_.headers.empty() || !leads_elsewhere()) return line.size();
  fault_ = {EACCES, false, "the server leads to another one, which must not be told what is in headers"};
  return 0;
}

// Whether the answer redirects to another scheme, host or port than the URL's.
bool Transfer::leads_elsewhere() const {
  const auto origin = [&](const char* location) -> std::string {
    const std::unique_ptr<CURLU, void (*)(CURLU*)> url(curl_url(), curl_url_cleanup);
    if (url == nullptr) throw std::bad_alloc();
    for (const char* const text : {settings_.url.c_str(), location})
      if (text != nullptr && curl_url_set(url.get(), CURLUPART_URL, text, 0) != CURLUE_OK) return "";
    std::string all;
    for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
      char* text = nullptr;
      if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
      all.append(text).append(" ");
      curl_free(text);
    }
    return all;
  };
  return origin(answer_.location().c_str()) != origin(nullptr);
}

std::size_t Transfer::body(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  try {
    return static_cast<Transfer*>(self)->take({data, size * count});
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

// Returns how many bytes were taken: others than all end the transfer.
std::size_t Transfer::take(std::span<const char> bytes) {
  const std::lock_guard lock(mutex_);
  if (ticket_ == nullptr) return 0;
  heard_ = std::chrono::steady_clock::now();
  if (head_only_) return bytes.size();
  if (settings_.is_http && !looked_at_) {
    looked_at_ = true;
    fault_ = answer_.fault(offset_, into_.size(), known_);
  }
  if (fault_) {
    passed_over_ += bytes.size();
    return answer_.status() >= 400 && passed_over_ <= longest_error ? bytes.size() : 0;
  }
  if (bytes.size() > into_.size() - received_) {
    fault_ = {EIO, false,
              "the server has sent more than the " + std::to_string(into_.size()) + " bytes that were asked for"};
    return 0;
  }
  std::memcpy(into_.data() + received_, bytes.data(), bytes.size());
  received_ += bytes.size();
  return bytes.size();
}

bool Transfer::ended(CURLcode code) noexcept {
  const std::lock_guard lock(mutex_);
  if (ticket_ == nullptr) return false;
  try {
    look_at_end(code);
  } catch (const std::bad_alloc&) {
    fault_.code = ENOMEM;
  }
  std::exchange(ticket_, nullptr)->done();
  return true;
}

void Transfer::look_at_end(CURLcode code) {
  CURL* const handle = handle_.get();
  curl_off_t length = -1, time = -1, after = 0;
  curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  curl_easy_getinfo(handle, CURLINFO_FILETIME_T, &time);
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &after);
  curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &connects_);
  told_size_ = length >= 0 ? std::optional<std::uint64_t>(length) : std::nullopt;
  told_time_ = time;
  if (!fault_) fault_ = fault_of_end(code);
  fault_.retry_after = std::chrono::seconds(after);
}

Fault Transfer::fault_of_end(CURLcode code) const {
  long of_proxy = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_HTTP_CONNECTCODE, &of_proxy);
  if (code != CURLE_OK && of_proxy >= 300) {
    Fault fault = fault_of_status(static_cast<int>(of_proxy));
    fault.text = "the proxy has answered with status " + std::to_string(of_proxy);
    return fault;
  }
  const bool has_answer = settings_.is_http && answer_.status() != 0;
  // A redirect that libcurl has refused to follow: it says why, but not who has forbidden it.
  if (has_answer && code == CURLE_UNSUPPORTED_PROTOCOL && answer_.status() / 100 == 3)
    return {EACCES, false,
            "the server leads to " + answer_.location().substr(0, answer_.location().find(':')) +
                "://, and ashlar follows redirects " +
                (settings_.is_https ? "from https only to https" : "only to http and https")};
  if (has_answer && code != CURLE_OK && answer_.status() / 100 == 3) return fault_of_curl(code);
  if (has_answer && !head_only_ && !looked_at_)
    if (Fault fault = answer_.fault(offset_, into_.size(), known_)) return fault;
  if (has_answer && head_only_ && answer_.status() >= 300) return fault_of_status(answer_.status());
  if (code != CURLE_OK) return fault_of_curl(code);
  // Where no length was told, the connection may have been cut off.
  if (received_ != into_.size())
    return {EIO, !told_size_,
            "the server has sent " + std::to_string(received_) + " of " + std::to_string(into_.size()) + " bytes"};
  const std::string modified = told_time_ < 0 ? "" : std::to_string(told_time_);
  if (!settings_.is_http && known_ != nullptr && modified != known_->modified)
    return {ESTALE, false, "the file has changed: its time is another"};
  return {};
}

Fault Transfer::fault_of_curl(CURLcode code) const {
  std::string text = message_.front() != '\0' ? message_.data() : curl_easy_strerror(code);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return {errno_of(code), may_pass(code), std::move(text)};
}
