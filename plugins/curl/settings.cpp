#include "settings.hpp"

#include <curl/curl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ashlar/rules/duration.hpp>
#include <cctype>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

using namespace ashlar;

namespace {

constexpr std::chrono::seconds longest_delay{10};

std::chrono::nanoseconds duration(const Params& params, const char* name, std::chrono::nanoseconds least) {
  const std::string text(params.text(name));
  const auto found = rules::parse_duration(text);
  if (!found || *found < least || *found > std::chrono::hours(1))
    throw BadParameter(name, std::string(name) + " = \"" + text + "\" is no time of " +
                                 (least.count() == 0 ? "0" : "1") + "s to 3600s; write \"100ms\" or \"2s\"");
  return *found;
}

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

using Url = std::unique_ptr<CURLU, void (*)(CURLU*)>;

// What is in a URL is shown in logs.
Url parse(const char* name, const std::string& text, unsigned flags, const char* user, const char* password) {
  Url parsed(curl_url(), curl_url_cleanup);
  if (parsed == nullptr) throw std::bad_alloc();
  if (const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), flags); code != CURLUE_OK)
    throw BadParameter(name, std::string(name) + " is no URL: " + curl_url_strerror(code));
  for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD})
    if (!part_of(parsed.get(), part).empty())
      throw BadParameter(name, std::string(name) + " holds a user or a password; write " + user + " = \"…\" and " +
                                   password + " = { file = \"…\" }");
  return parsed;
}

// A line break in a header would begin another one.
bool is_one_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

// Whether it is "Name: value". libcurl would leave out a header of its own for a name without a value.
bool is_header(std::string_view line) {
  constexpr std::string_view in_names = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const std::size_t colon = line.find_first_not_of(in_names);
  return colon != line.npos && colon != 0 && line[colon] == ':' && is_one_line(line) &&
         line.find_first_not_of(" \t", colon + 1) != line.npos;
}

// Those that say which bytes are wanted, and how they are packed, are the plugin's.
bool is_own_header(std::string_view line) {
  return std::ranges::any_of(std::array{"range", "if-range", "accept-encoding"}, [&](std::string_view name) {
    return std::ranges::equal(line.substr(0, line.find(':')), name,
                              [](unsigned char a, unsigned char b) { return std::tolower(a) == b; });
  });
}

}  // namespace

Settings::Settings(const Params& params)
    : url(params.text("url")),
      cookies(params.secret("cookies")),
      token(params.secret("token")),
      user(params.text("user")),
      password(params.secret("password")),
      proxy(params.text("proxy")),
      proxy_user(params.text("proxy_user")),
      proxy_password(params.secret("proxy_password")),
      ca(params.path("ca")),
      connections(static_cast<std::uint32_t>(params.integer("connections"))),
      timeout(std::chrono::ceil<std::chrono::seconds>(duration(params, "timeout", std::chrono::seconds(1)))),
      times(static_cast<std::uint64_t>(params.integer("times"))),
      delay(duration(params, "delay", {})) {
  read_url();
  read_headers(params);
  check_access(params);
  if (ca.empty()) return;
  struct stat there {};
  if (::stat(ca.c_str(), &there) != 0)
    throw BadParameter("ca", ca + " cannot be opened: " + std::generic_category().message(errno), errno);
  ca_is_folder = S_ISDIR(there.st_mode);
}

void Settings::read_url() {
  const Url parsed = parse("url", url, 0, "user", "password");
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  is_https = scheme == "https";
  is_http = is_https || scheme == "http";
  if (!is_http && scheme != "ftp" && scheme != "ftps" && scheme != "file")
    throw BadParameter("url", "url begins with " + scheme + "://, which is none of http, https, ftp, ftps and file");
  is_ftps = scheme == "ftps";
  if (scheme == "file") file = part_of(parsed.get(), CURLUPART_PATH, CURLU_URLDECODE);
  curl_url_set(parsed.get(), CURLUPART_QUERY, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_FRAGMENT, nullptr, 0);
  shown = part_of(parsed.get(), CURLUPART_URL);
}

void Settings::read_headers(const Params& params) {
  for (const ashlar_value* value : params.list("headers")) {
    headers.emplace_back(value->text);
    const std::string number = "headers: number " + std::to_string(headers.size());
    if (!is_header(headers.back())) throw BadParameter("headers", number + " is not \"Name: value\"");
    if (is_own_header(headers.back()))
      throw BadParameter("headers", number + " is a header that the plugin itself sends: " +
                                        headers.back().substr(0, headers.back().find(':')));
  }
}

// Who reads "user:password" takes what is behind the first colon for the password (RFC 7617, section 2).
void Settings::check_http_user(const char* name, const std::string& user) {
  if (user.find(':') != user.npos)
    throw BadParameter(name, std::string(name) + " has a colon, which no user of HTTP can have");
}

void Settings::check_access(const Params& params) const {
  const std::pair<const char*, const std::string&> lines[] = {
      {"cookies", cookies},   {"token", token},           {"user", user},
      {"password", password}, {"proxy_user", proxy_user}, {"proxy_password", proxy_password}};
  for (const auto& [name, text] : lines) {
    const bool may_be_empty = std::string_view(name).ends_with("password");
    if (!may_be_empty && params.has(name) && text.empty())
      throw BadParameter(name, std::string(name) + " is empty; take it out");
    if (!is_one_line(text)) throw BadParameter(name, std::string(name) + " has more than one line");
  }
  if (is_http) check_http_user("user", user);
  if (!token.empty() && !user.empty()) throw BadParameter("token", "token and user exclude each other");
  if (params.has("password") && user.empty()) throw BadParameter("password", "password needs user");
  if (params.has("proxy_user") && proxy.empty()) throw BadParameter("proxy_user", "proxy_user needs proxy");
  if (params.has("proxy_password") && proxy_user.empty())
    throw BadParameter("proxy_password", "proxy_password needs proxy_user");
  if (!proxy.empty()) check_proxy();
}

void Settings::check_proxy() const {
  const Url parsed =
      parse("proxy", proxy, CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME, "proxy_user", "proxy_password");
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  constexpr std::array known{"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
  if (std::ranges::find(known, scheme) == known.end())
    throw BadParameter("proxy", "proxy begins with " + scheme +
                                    "://, which is none of http, https, socks4, socks4a, socks5 and socks5h");
  if (scheme.starts_with("http")) check_http_user("proxy_user", proxy_user);
}

std::chrono::nanoseconds Settings::delay_before(std::uint64_t n) const {
  std::chrono::nanoseconds d = delay;
  while (--n != 0 && d < longest_delay) d *= 2;
  return std::min<std::chrono::nanoseconds>(d, longest_delay);
}
