// The curl plugin: a file at a URL as a disk that is only read.
#include <algorithm>
#include <ashlar/plugin.hpp>

#include "remote_file.hpp"

using namespace ashlar;

class Curl final : public Plugin {
 public:
  using Layer = Shared;
  static constexpr bool connects = true;
  static constexpr const char* group = "disks of other machines";
  static constexpr Param params[] = {
      Param::string("url", "of the file: http, https, ftp, ftps or file").needed(),
      Param::list(Param::secret("headers", "lines \"Name: value\" that are sent with each request")),
      Param::secret("cookies", "as they stand in the header Cookie: \"name=value; name=value\""),
      Param::secret("token", "sent as bearer token (RFC 6750)"),
      Param::string("user", "who to log in as"),
      Param::secret("password", "what to log in with"),
      Param::string("proxy",
                    "URL of a proxy, such as http://proxy:3128; without it none, whatever the environment says"),
      Param::string("proxy_user", "who to log in to the proxy as"),
      Param::secret("proxy_password", "what to log in to the proxy with"),
      Param::path("ca", "certificates of those who are trusted, a file or a folder; without it the system's"),
      Param::integer("connections", "to the server at once").range(1, 256).or_else("16"),
      Param::string("timeout", "how long the server may take to be connected to, or be all but silent").or_else("30s"),
      Param::integer("times", "how often a request is made again that may succeed then").range(0, 1000000).or_else("5"),
      Param::string("delay", "before it is made again the first time; then twice as long each time").or_else("100ms"),
  };

  Curl(Shared& shared, const Open& open) : shared_(shared), file_(shared, open.purpose) {}

  Geometry describe() override {
    return {.size = file_.size(),
            .flags = Flag::nowait,
            .preferred = 65536,
            .read_only = true,
            .multi_conn = true,
            .parks = true,
            .depth = std::max<std::uint32_t>(shared_.settings.connections, least_depth)};
  }

  Status read(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    return file_.read(io.offset(), io.buffer());
  }

 private:
  static constexpr std::uint32_t least_depth = 64;  // by HTTP/2 they share a connection

  const Shared& shared_;
  const RemoteFile file_;
};

ASHLAR_MODULE(Curl, .name = "curl", .version = "1.0", .summary = "a file at a URL: http, https, ftp; to be read",
              .threads = Threads::parallel)
