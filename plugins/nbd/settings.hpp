// Settings: the parameters of the plugin, read.
#pragma once
#include <ashlar/params.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "uri.hpp"

struct Settings {
  enum class Tls { off, allow, require };

  // Throws BadParameter.
  explicit Settings(const ashlar::Params& params);

  // The parameter that says where the server is: the one at fault when it cannot be reached.
  const char* at_fault() const { return uri ? "uri" : "command"; }
  // A certificate has to name the server, and there is a name to compare it with.
  bool names_server() const { return tls != Tls::off && psk.empty() && verify; }
  // Whether the export's name has the '*' of a template.
  bool has_star() const { return export_name.find('*') != std::string::npos; }
  // What stands for that '*' when the export is `name`; empty: nothing could.
  std::string star_in(std::string_view name) const;

  std::optional<Uri> uri;
  std::vector<std::string> command;  // the program and its arguments, where there is no uri
  std::string shown;                 // where the server is, for people
  std::string export_name;
  std::uint32_t connections;
  bool read_only;
  Tls tls = Tls::off;
  std::string certificates, psk;  // a folder, a file; empty: none
  std::string user;               // whose key in `psk`
  bool verify;
  std::string server_name;  // whom the certificate must name
  std::chrono::milliseconds timeout{};

 private:
  void read_server(const ashlar::Params& params);
  void read_tls(const ashlar::Params& params);
  void check_files() const;
};
