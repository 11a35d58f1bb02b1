// A plugin that can be probed. It tells what it was asked, and lines that are hard to print.
#include <ashlar/plugin.hpp>
#include <cerrno>
#include <system_error>

namespace {

class Well final : public ashlar::Plugin {
 public:
  static void probe(const ashlar::ProbeRequest& request) {
    const std::string path = request.path;
    if (path.ends_with("/dry")) throw std::system_error(ENODEV, std::generic_category(), "'" + path + "' is dry");
    request.report.kind("well");
    request.report.row("bucket", ashlar::Supported::yes, request.only_ask ? "only looked at" : "drawn up");
    request.report.row("rope", ashlar::Supported::no, "too \"short\"\n\x01\xff\xc3\xbc");
    request.report.row("echo", ashlar::Supported::unknown, "");
  }
  ashlar::Geometry describe() override { return {}; }
  ashlar::Status read(ashlar::Io&) noexcept override { return ashlar::Status::success(); }
};

}  // namespace

ASHLAR_MODULE(Well, .name = "well", .version = "1.0", .summary = "deep water")
