// Settings: the parameters of the plugin, read.
#pragma once
#include <ashlar/params.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

struct Settings {
  // Throws BadParameter.
  explicit Settings(const ashlar::Params& params);

  // Before try number `n`, 1 for the first that is made again: twice as long each time, up to 10 s.
  std::chrono::nanoseconds delay_before(std::uint64_t n) const;

  std::string url;
  std::string shown;  // the URL for people: without a query, which may hold keys
  bool is_http = false, is_https = false, is_ftps = false;
  std::string file;                  // the path, where the URL is of a file of this machine
  std::vector<std::string> headers;  // "Name: value"
  std::string cookies, token, user, password;
  std::string proxy, proxy_user, proxy_password;
  std::string ca;
  bool ca_is_folder = false;
  std::uint32_t connections;
  std::chrono::seconds timeout{};
  std::uint64_t times;
  std::chrono::nanoseconds delay{};

 private:
  void read_url();
  void read_headers(const ashlar::Params& params);
  void check_access(const ashlar::Params& params) const;
  void check_proxy() const;
  static void check_http_user(const char* name, const std::string& user);
};
