#include "trace/html/page.hpp"

#include <algorithm>
#include <sstream>

#include "cli/command.hpp"
#include "cli/json.hpp"
#include "trace/html/parts.hpp"

namespace ashlar::host::traces {
namespace {

// As it may stand in an element script: no "</script>" and no "<!--" in it ends or changes that.
std::string in_script(const json::value& value) {
  std::ostringstream text;
  print_json(text, value);
  std::string safe;
  for (const char c : text.str()) {
    if (c == '<') safe += "\\u003c";
    else safe += c;
  }
  return safe;
}

// Without the last line that names a file for debuggers, which is not there.
std::string text_of(std::string_view part) {
  std::string text(part.substr(0, std::min(part.rfind("//# sourceMappingURL="), part.rfind("/*# sourceMappingURL="))));
  return text + "\n";
}

std::string with_data(const std::string& report, const std::string& pictures) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
      "style-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>Trace</title>\n";
  for (const std::string_view style : page_styles()) page += "<style>\n" + text_of(style) + "</style>\n";
  page += "</head>\n<body>\n";
  page += "<script type=\"application/json\" id=\"report\">\n" + report + "</script>\n";
  page += "<script type=\"application/json\" id=\"pictures\">\n" + pictures + "</script>\n";
  for (const std::string_view licence : page_licences())
    page += "<script type=\"text/plain\">\n" + std::string(licence) + "</script>\n";
  for (const std::string_view script : page_scripts()) page += "<script>\n" + text_of(script) + "</script>\n";
  return page + "</body>\n</html>\n";
}

}  // namespace

void need_page() {
  if (page_scripts().empty())
    throw UsageError(
        "--html: this program was built without the libraries that draw a page: d3 and dygraphs (Debian's packages "
        "node-d3 and libjs-dygraphs)");
}

std::string page_of(const Report& report) {
  need_page();
  const std::string told = in_script(to_json(report));
  for (unsigned detail = 0; detail <= least_detail; ++detail) {
    std::string page = with_data(told, in_script(pictures_of(report, detail)));
    if (page.size() <= most_page_bytes) return page;
  }
  throw UsageError("--html: what there is to tell of " + std::to_string(report.places().size()) +
                   " places does not fit into one page; name fewer traces");
}

}  // namespace ashlar::host::traces
