#include "settings.hpp"

#include <curl/curl.h>
#include <sys/stat.h>

#include <algorithm>
#include <ashlar/rules/duration.hpp>
#include <cerrno>
#include <memory>
#include <system_error>

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

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

// A line break in a header would begin another one.
bool is_one_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

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
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), curl_url_cleanup);
  if (parsed == nullptr) throw std::bad_alloc();
  if (const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0); code != CURLUE_OK)
    throw BadParameter("url", std::string("url is no URL: ") + curl_url_strerror(code));
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  is_https = scheme == "https";
  is_http = is_https || scheme == "http";
  if (!is_http && scheme != "ftp" && scheme != "ftps" && scheme != "file")
    throw BadParameter("url", "url begins with " + scheme + "://, which is none of http, https, ftp, ftps and file");
  if (!part_of(parsed.get(), CURLUPART_USER).empty())
    throw BadParameter("url", "url holds a user; write user = \"…\" and password = { file = \"…\" }");
  curl_url_set(parsed.get(), CURLUPART_QUERY, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_FRAGMENT, nullptr, 0);
  shown = part_of(parsed.get(), CURLUPART_URL);

  for (const ashlar_value* value : params.list("headers")) {
    headers.emplace_back(value->text);
    const std::size_t colon = headers.back().find(':');
    if (colon == std::string::npos || colon == 0 || !is_one_line(headers.back()))
      throw BadParameter("headers", "headers: number " + std::to_string(headers.size()) + " is not \"Name: value\"");
  }
  if (!is_one_line(cookies)) throw BadParameter("cookies", "cookies has more than one line");
  if (!token.empty() && !user.empty()) throw BadParameter("token", "token and user exclude each other");
  if (params.has("password") && user.empty()) throw BadParameter("password", "password needs user");
  if (params.has("proxy_user") && proxy.empty()) throw BadParameter("proxy_user", "proxy_user needs proxy");
  if (params.has("proxy_password") && proxy_user.empty())
    throw BadParameter("proxy_password", "proxy_password needs proxy_user");
  if (ca.empty()) return;
  struct stat there {};
  if (::stat(ca.c_str(), &there) != 0)
    throw BadParameter("ca", ca + " cannot be opened: " + std::generic_category().message(errno), errno);
  ca_is_folder = S_ISDIR(there.st_mode);
}

std::chrono::nanoseconds Settings::delay_before(std::uint64_t n) const {
  std::chrono::nanoseconds d = delay;
  while (--n != 0 && d < longest_delay) d *= 2;
  return std::min<std::chrono::nanoseconds>(d, longest_delay);
}
