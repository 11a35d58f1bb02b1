// What users of other NBD servers type, and what they are told to type instead.
#include "cli/words.hpp"

#include "unit/cli/run_command.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

const Syntax serve{.command = "serve",
                   .operands = {"FILE"},
                   .options = {{{"-h", "--help"}, ""},
                               {{"--module-path"}, "DIR"},
                               {{"--listen"}, "ADDR"},
                               {{"-v", "--verbose"}, ""},
                               {{"--log-level"}, "LEVEL"},
                               {{"--read-only"}, ""}}};

// What is said of `typed`, which stands behind "ashlar".
std::string said(const std::string& typed) {
  const Outcome outcome = run_command(split(typed));
  CHECK(outcome.code == 2);
  CHECK(outcome.out.empty());
  return outcome.err;
}

// Checks that `typed` is refused because of `fault`, and that `right` is told as what to type, which has no fault.
void check_corrected(const std::string& typed, const std::string& fault, const std::string& right) {
  INFO(typed);
  CHECK(said(typed) == "ashlar: " + fault + ": ashlar serve " + right + "\n");
  CHECK(fault_in_words(serve, split(right)).empty());
}

}  // namespace

TEST_CASE("options of other servers: the whole command line is told as it should be") {
  const auto check = [](const std::string& option, const std::string& rest, const std::string& right) {
    check_corrected("serve " + rest, "serve: unknown option \"" + option + "\"; did you mean", right);
  };
  for (const std::string port : {"-p", "--port"}) {
    check(port, "a.img " + port + " 10810", "a.img --listen tcp:127.0.0.1:10810");
    check(port, port + " 10810 a.img", "a.img --listen tcp:127.0.0.1:10810");
    check(port, "a.img " + port, "a.img --listen tcp:127.0.0.1:PORT");
    check(port, port, "FILE --listen tcp:127.0.0.1:PORT");
  }
  check("-p", "a.img -p10810", "a.img --listen tcp:127.0.0.1:10810");
  check("-p", "a.img -p=10810", "a.img --listen tcp:127.0.0.1:10810");
  check("--port", "a.img --port=10810", "a.img --listen tcp:127.0.0.1:10810");
  check("-b", "a.img -b 0.0.0.0 -p 1", "a.img --listen tcp:0.0.0.0:1");
  check("--ipaddr", "a.img --ipaddr localhost", "a.img --listen tcp:localhost:10809");
  for (const std::string path : {"-U", "--unix", "-k", "--socket"}) {
    check(path, path + " /run/a.sock a.img", "a.img --listen unix:/run/a.sock");
    check(path, "a.img " + path, "a.img --listen unix:PATH");
  }
  for (const std::string read_only : {"-r", "--readonly", "--read_only"}) {
    check(read_only, "a.img " + read_only, "a.img --read-only");
    check(read_only, read_only + " a.img -v", "a.img --read-only -v");
  }
  check("-r", "a.img -vr", "a.img -v --read-only");
  check("-r", "a.img -rv", "a.img --read-only -v");
  check("-C", "-C /etc/nbd.toml", "/etc/nbd.toml");
  check("-p", "a.img -p 10810 -r -t -U /a", "a.img --read-only --listen unix:/a --listen tcp:127.0.0.1:10810");
}

TEST_CASE("options of other servers: what can be left out") {
  const auto check = [](const std::string& option, const std::string& rest, const std::string& why,
                        const std::string& right) {
    check_corrected("serve " + rest,
                    "serve: unknown option \"" + option + "\", which can be left out: " + why + "; write", right);
  };
  const std::string foreground = "the server stays in the foreground",
                    raw = "images are served as the bytes that they are made of";
  check("-f", "-f a.img", foreground, "a.img");
  check("-f", "-f raw a.img", raw, "a.img");
  check("--format", "--format=qcow2 a.img", raw, "a.img");
  check("-t", "-t a.img --listen tcp::1", "clients may come and go until the server is told to stop",
        "a.img --listen tcp::1");
  check("-e", "-e 8 a.img -p 1", "many clients may come at once", "a.img --listen tcp:127.0.0.1:1");
  const std::string process = ", so that what starts it knows its process; --ready-fd tells when it is ready";
  check("--foreground", "--foreground a.img", foreground, "a.img");
  check("-P", "-P /run/pid a.img", foreground + process, "a.img");
  check("--pid-file", "--pid-file=/run/pid a.img", foreground + process, "a.img");
  check("--pidfile", "a.img --pidfile /run/pid", foreground + process, "a.img");
}

TEST_CASE("options of other servers: what is done elsewhere is told, and first of all") {
  for (const std::string option : {"-x disk", "-e disk", "-N disk", "--export-name=disk", "-D text"})
    CHECK(said("serve a.img -p 1 " + option) ==
          "ashlar: serve: unknown option \"" + option.substr(0, option.find_first_of(" =")) +
              "\"; an image is served as the default export; a config can give it a name and a description\n");
  CHECK_THAT(said("serve -t 16 a.img"), ContainsSubstring("workers = "));
  CHECK_THAT(said("serve --user nobody a.img"), ContainsSubstring("write user = "));
  CHECK_THAT(said("serve -c /dev/nbd0 a.img"), ContainsSubstring("\"-c\"; nbd-client connects"));
  CHECK_THAT(said("serve -o 1M a.img"), ContainsSubstring("\"-o\"; the filter offset"));
  CHECK_THAT(said("serve --object tls-creds-x509,id=t a.img"), ContainsSubstring("as [server] tls = { mode"));
  CHECK_THAT(said("serve --tls-authz x a.img"), ContainsSubstring("as [[export]] allow = [ { dn ="));
  CHECK_THAT(said("serve --mode=0660 a.img"), ContainsSubstring("mode = \"0660\", group = \"disk\""));
  CHECK(said("serve --metrics tcp::1 a.img") ==
        "ashlar: serve: unknown option \"--metrics\"; it is a key of a config: write it in its [server]\n");
  CHECK(said("serve a.toml -r") ==
        "ashlar: serve: unknown option \"-r\"; write read_only = true below the [[export]] of the config\n");
}

TEST_CASE("typing errors in options") {
  check_corrected("serve --lisen tcp::1 a.img", "serve: unknown option \"--lisen\"; did you mean",
                  "a.img --listen tcp::1");
  check_corrected("serve --lisen=tcp::1 a.img", "serve: unknown option \"--lisen\"; did you mean",
                  "a.img --listen=tcp::1");
  check_corrected("serve --verbos a.img", "serve: unknown option \"--verbos\"; did you mean", "a.img --verbose");
  CHECK(said("probe --jsn /") == "ashlar: probe: unknown option \"--jsn\"; did you mean: ashlar probe / --json\n");
  CHECK(said("serve a.img -q") == "ashlar: serve: unknown option \"-q\"; see ashlar serve --help\n");
}

TEST_CASE("operands of other servers") {
  check_corrected("serve 10810 a.img", "serve: \"10810\" is no file; did you mean",
                  "a.img --listen tcp:127.0.0.1:10810");
  check_corrected("serve a.img 10810", "serve: \"10810\" is no file; did you mean",
                  "a.img --listen tcp:127.0.0.1:10810");
  check_corrected("serve file a.img", "serve: the plugin of an image need not be named; write", "a.img");
  check_corrected("serve file file=a.img", "serve: the plugin of an image need not be named; write", "a.img");
}

TEST_CASE("no command before what serve takes") {
  check_corrected("a.img", "unknown command \"a.img\"; did you mean", "a.img");
  check_corrected("/srv/image", "unknown command \"/srv/image\"; did you mean", "/srv/image");
  check_corrected("a.img -p 1", "unknown command \"a.img\"; did you mean", "a.img --listen tcp:127.0.0.1:1");
  check_corrected("file a.img", "unknown command \"file\"; did you mean", "a.img");
  check_corrected("10810 a.img", "unknown command \"10810\"; did you mean", "a.img --listen tcp:127.0.0.1:10810");
  check_corrected("-p", "no command before the option \"-p\"; did you mean", "FILE --listen tcp:127.0.0.1:PORT");
  check_corrected("-k /a a.img", "no command before the option \"-k\"; did you mean", "a.img --listen unix:/a");
  check_corrected("--read_only", "no command before the option \"--read_only\"; did you mean", "FILE --read-only");
  check_corrected("-v serve a.img", "no command before the option \"-v\"; did you mean", "a.img -v");
  CHECK(said("--json probe /") ==
        "ashlar: no command before the option \"--json\"; did you mean: ashlar probe / --json\n");
  const TempFolder folder;
  const std::string disk = folder.write("disk", "").string();
  CHECK(said(disk) == "ashlar: unknown command \"" + disk + "\"; did you mean: ashlar serve " + disk + "\n");
}

TEST_CASE("help is given whatever else stands there") {
  CHECK(run_command({"serve", "-h", "-p"}).code == 0);
  CHECK(run_command({"serve", "--help", "a", "b"}).code == 0);
}

TEST_CASE("a command line that is told can be pasted into a shell") {
  CHECK(shell_word("a.img") == "a.img");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("my disk.img") == "'my disk.img'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("$HOME/*") == "'$HOME/*'");
  CHECK(run_command({"serve", "my disk.img", "-U", "a b"}).err ==
        "ashlar: serve: unknown option \"-U\"; did you mean: ashlar serve 'my disk.img' --listen 'unix:a b'\n");
  CHECK(run_command({"serve", "a.img", "-b", "::1"}).err ==
        "ashlar: serve: unknown option \"-b\"; did you mean: ashlar serve a.img --listen 'tcp:[::1]:10809'\n");
}
