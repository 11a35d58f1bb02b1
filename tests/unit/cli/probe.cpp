// ashlar probe: which plugin it asks, what it prints, what it refuses.
#include "unit/cli/run_command.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

namespace {

Outcome probe(std::vector<std::string> args) {
  args.insert(args.begin(), {"probe", "--module-path", TEST_MODULES});
  return run_command(std::move(args));
}

}  // namespace

TEST_CASE("probe prints a table of what the plugin tells") {
  const Outcome outcome = probe({"--plugin", "well", "/some\npath"});
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
  CHECK(outcome.out ==
        "/some\\npath: well\n"
        "  METHOD  SUPPORTED  NOTE\n"
        "  bucket  yes        drawn up\n"
        "  rope    no         too \"short\"\\n\\x01\xff\xc3\xbc\n"
        "  echo    ?\n");
}

TEST_CASE("probe --json prints JSON whatever is in the path and the notes") {
  const Outcome outcome = probe({"--plugin", "well", "--json", "--read-only", "/so\"me\n\xfepath\\"});
  CHECK(outcome.code == 0);
  CHECK(outcome.out ==
        "{\"path\": \"/so\\\"me\\n\xef\xbf\xbdpath\\\\\", \"kind\": \"well\", \"methods\": [\n"
        "  {\"name\": \"bucket\", \"supported\": true, \"note\": \"only looked at\"},\n"
        "  {\"name\": \"rope\", \"supported\": false, \"note\": \"too \\\"short\\\"\\n\\u0001\xef\xbf\xbd\xc3\xbc\"},\n"
        "  {\"name\": \"echo\", \"supported\": null, \"note\": \"\"}\n"
        "]}\n");
}

TEST_CASE("what cannot be probed is refused") {
  const Outcome missing = probe({"/no/such/path"});
  CHECK(missing.code == 2);
  CHECK(missing.err ==
        "ashlar: probe: \"/no/such/path\": No such file or directory; name an existing file, folder or block device\n");
  const Outcome pond = probe({"--plugin", "pond", "/"});
  CHECK(pond.code == 2);
  CHECK(pond.err == "ashlar: probe: the plugin \"pond\" cannot tell what its storage can do; file and block can\n");
  const Outcome unknown = probe({"--plugin", "wel", "/"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, ContainsSubstring("did you mean \"well\"?"));
  CHECK(probe({}).code == 2);
  const Outcome dry = probe({"--plugin", "well", "/some/dry"});
  CHECK(dry.code == 1);
  CHECK(dry.out.empty());
  CHECK(dry.err == "ashlar: probe: '/some/dry' is dry: No such device\n");
}
