// The command line: what it takes, what it refuses, and with which exit code.
#include "unit/cli/run_command.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

namespace {

// Checks that `args` are refused with exit code 2, nothing on stdout and exactly the line `text` on stderr.
void check_refused(const std::vector<std::string>& args, const std::string& text) {
  INFO(text);
  const Outcome outcome = run_command(args);
  CHECK(outcome.code == 2);
  CHECK(outcome.out.empty());
  CHECK(outcome.err == text + "\n");
}

}  // namespace

TEST_CASE("help of the program and of each command") {
  const Outcome help = run_command({"--help"});
  CHECK(help.code == 0);
  CHECK(help.err.empty());
  for (const std::string command : {"serve", "check", "list", "inspect", "probe", "new", "certs", "status", "top",
                                    "disconnect", "reload", "drain", "log-level", "control", "completion"}) {
    CHECK_THAT(help.out, ContainsSubstring("\n  " + command + " "));
    const Outcome own = run_command({command, "--help"});
    CHECK(own.code == 0);
    CHECK(own.err.empty());
    CHECK_THAT(own.out, ContainsSubstring("Usage: ashlar " + command));
    const bool runs_modules = own.out.find("--control") == std::string::npos && command != "new" &&
                              command != "certs" && command != "completion";
    if (runs_modules) CHECK_THAT(own.out, ContainsSubstring("--module-path"));
  }
  CHECK(run_command({"-h"}).out == help.out);
}

TEST_CASE("version, as an option and as a word") {
  const Outcome outcome = run_command({"--version"});
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, StartsWith("ashlar "));
  CHECK_THAT(outcome.out, EndsWith(" (ABI 1.0)\n"));
  for (const char* other : {"-V", "version"}) {
    CHECK(run_command({other}).code == 0);
    CHECK(run_command({other}).out == outcome.out);
  }
}

TEST_CASE("help as a word") {
  CHECK(run_command({"help"}).code == 0);
  CHECK(run_command({"help"}).out == run_command({"--help"}).out);
  for (const std::string command : {"serve", "check", "list", "inspect", "probe", "new", "certs", "status", "top",
                                    "disconnect", "reload", "drain", "log-level", "control", "completion"}) {
    CHECK(run_command({"help", command}).code == 0);
    CHECK(run_command({"help", command}).out == run_command({command, "--help"}).out);
  }
  check_refused({"help", "srve"}, "ashlar: unknown command \"srve\"; did you mean: ashlar serve --help");
}

TEST_CASE("completion of a shell that is not known") {
  check_refused({"completion", "tcsh"}, "ashlar: unknown shell \"tcsh\"; known: bash, zsh, fish");
}

TEST_CASE("what could stand next, where nothing is known, is nothing") {
  for (const std::vector<std::string>& args :
       std::initializer_list<std::vector<std::string>>{{"complete"},
                                                       {"complete", "trace"},
                                                       {"complete", "nonsense", ""},
                                                       {"complete", "trace", "nonsense", ""},
                                                       {"complete", "list", ""},
                                                       {"complete", "serve", "--nonsense=", ""},
                                                       {"complete", "serve", "--verbose="}}) {
    const Outcome outcome = run_command(args);
    CHECK(outcome.code == 0);
    CHECK(outcome.err.empty());
  }
  CHECK(run_command({"complete", "list", ""}).out.empty());
}

TEST_CASE("no command") {
  check_refused({},
                "ashlar: no command; known: serve, check, list, inspect, probe, new, certs, "
                "status, top, disconnect, reload, drain, log-level, control, completion, trace");
}

TEST_CASE("unknown command") {
  check_refused({"srve"}, "ashlar: unknown command \"srve\"; did you mean: ashlar serve FILE");
  check_refused({"chekc", "a.toml"}, "ashlar: unknown command \"chekc\"; did you mean: ashlar check a.toml");
  check_refused({"a\nb"},
                "ashlar: unknown command \"a\\nb\"; known: serve, check, list, inspect, probe, new, certs, "
                "status, top, disconnect, reload, drain, log-level, control, completion, trace");
  check_refused({""},
                "ashlar: unknown command \"\"; known: serve, check, list, inspect, probe, new, certs, "
                "status, top, disconnect, reload, drain, log-level, control, completion, trace");
  check_refused({"10809"},
                "ashlar: unknown command \"10809\"; known: serve, check, list, inspect, probe, new, certs, "
                "status, top, disconnect, reload, drain, log-level, control, completion, trace");
}

TEST_CASE("unknown option") {
  check_refused({"--foo"}, "ashlar: unknown option \"--foo\"; see ashlar --help");
  check_refused({"list", "--foo"}, "ashlar: list: unknown option \"--foo\"; see ashlar list --help");
  check_refused({"check", "a.toml", "--read-only"},
                "ashlar: check: unknown option \"--read-only\"; see ashlar check --help");
  check_refused({"check", "a.toml", "-r"}, "ashlar: check: unknown option \"-r\"; see ashlar check --help");
}

TEST_CASE("missing argument") {
  check_refused({"serve"}, "ashlar: serve: no FILE; write: ashlar serve FILE");
  check_refused({"check"}, "ashlar: check: no CONFIG; write: ashlar check CONFIG");
  check_refused({"inspect"}, "ashlar: inspect: no NAME; write: ashlar inspect NAME");
  check_refused({"serve", ""}, "ashlar: serve: the file's name is empty; name a config or an image");
  check_refused({"serve", "a.img", "--listen"},
                "ashlar: serve: --listen has no value; write: ashlar serve a.img --listen ADDR");
  check_refused({"serve", "a.img", "--listen", "--verbose"},
                "ashlar: serve: --listen has no value; write: ashlar serve a.img --listen ADDR --verbose");
  CHECK_THAT(run_command({"serve", "a.img", "--listen="}).err, ContainsSubstring("--listen"));
}

TEST_CASE("an option with an empty value is not one that is left out") {
  check_refused({"serve", "--ready-fd", "", "a.img"},
                "ashlar: --ready-fd: \"\" is not the number of a descriptor, such as 3");
  CHECK_THAT(run_command({"serve", "--log-level", "", "a.img"}).err,
             StartsWith("ashlar: --log-level: no level \"\"; known: "));
  check_refused({"serve", "--log-level=", "a.img"},
                "ashlar: serve: --log-level has no value; write: ashlar serve a.img --log-level LEVEL");
  check_refused({"probe", "--plugin", "", "."},
                "ashlar: probe: --plugin: the name is empty; name a plugin, or leave the option out");
  check_refused({"status", "--control", ""},
                "ashlar: --control: the address is empty; write one such as unix:/run/ashlar/control.sock");
  // Of a server without a config the only export is called so.
  const Outcome outcome = run_command({"disconnect", "--export", "", "--control", "unix:/nowhere-at-all"});
  CHECK(outcome.code == 1);
  check_refused({"disconnect"}, "ashlar: disconnect: name either a client's ID or --export NAME");
  check_refused({"disconnect", "3", "--export", ""}, "ashlar: disconnect: name either a client's ID or --export NAME");
}

TEST_CASE("surplus argument") {
  check_refused({"list", "a"}, "ashlar: list: takes no operand; take out \"a\"");
  check_refused({"serve", "a", "b"}, "ashlar: serve: takes one FILE; take out \"b\"");
  check_refused({"serve", "a", "--", "-b"}, "ashlar: serve: takes one FILE; take out \"-b\"");
}

TEST_CASE("options of serve") {
  check_refused({"serve", "--listen", "tcp::1", "--listen", "foo", "a.img"},
                "ashlar: --listen: \"foo\" is not an address; write tcp:HOST:PORT, unix:PATH or fd:NAME");
  check_refused({"serve", "--listen", "tcp::1", "--listen", "tcp::1", "a.img"},
                "ashlar: --listen: \"tcp::1\" is given twice; take one out");
  check_refused({"serve", "--log-level", "wran", "a.img"},
                "ashlar: --log-level: no level \"wran\"; did you mean \"warn\"?");
  check_refused({"serve", "--read-only", "a.toml"},
                "ashlar: --read-only is for images; write read_only = true in the [[export]] of the config");
}

TEST_CASE("a config is not served as a disk for want of the right name") {
  const TempFolder folder;
  const auto file = folder.write("ashlar.conf", "[[export]]\nname = \"a\"\n");
  check_refused({"serve", file.string()}, "ashlar: serve: \"" + file.string() +
                                              "\" is a config, not a disk image; rename it to \"" +
                                              (folder.path() / "ashlar.toml").string() +
                                              "\", or write: ashlar serve /dev/stdin <" + file.string());
}

TEST_CASE("a module path that is no folder") {
  for (const char* command : {"list", "check", "inspect", "serve"}) {
    std::vector<std::string> args{command, "--module-path", "/nowhere-at-all"};
    if (command != std::string("list")) args.emplace_back("a.img");
    if (command == std::string("check")) continue;  // reads the config first
    check_refused(args,
                  "ashlar: --module-path: \"/nowhere-at-all\": No such file or directory; name an existing folder");
  }
}

TEST_CASE("a config that cannot be read") {
  const std::string text = "/nowhere/a.toml: cannot read the config: No such file or directory";
  check_refused({"check", "/nowhere/a.toml"}, text);
  check_refused({"serve", "/nowhere/a.toml"}, text);
}

TEST_CASE("an option takes one value, and the file may stand behind it") {
  const std::string text = "/nowhere/a.toml: cannot read the config: No such file or directory";
  check_refused({"serve", "--listen", "tcp::1", "--listen", "tcp::2", "/nowhere/a.toml"}, text);
  check_refused({"check", "--module-path", TEST_MODULES, "/nowhere/a.toml"}, text);
  check_refused({"list", "--module-path", TEST_MODULES, TEST_MODULES},
                "ashlar: list: takes no operand; take out \"" TEST_MODULES "\"");
}

TEST_CASE("a config with a mistake") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", "[sever]\n").string();
  const std::string text = file + ":1:2: key \"sever\": unknown in the config; did you mean \"server\"?";
  check_refused({"check", file}, text);
  check_refused({"serve", file}, text);
}

TEST_CASE("list shows the modules of the given folders, by kind and group") {
  const Outcome outcome = run_command({"list", "--module-path", TEST_MODULES});
  CHECK_THAT(outcome.out, StartsWith("plugins for "));
  CHECK_THAT(outcome.out, ContainsSubstring("\n\nplugins\n  pond            2.1  still water\n"));
  CHECK_THAT(outcome.out, ContainsSubstring("\n\nfilters for music\n  reed            0.3  bends\n\nfilters"));
  CHECK_THAT(outcome.out, ContainsSubstring("\nfilters\n  lock            1.1  keeps shut\n"));
}

TEST_CASE("list says on stderr which modules are broken, and fails") {
  const TempFolder folder;
  const auto file = folder.write("plugins/bad.so", "no library");
  const Outcome outcome = run_command({"list", "--module-path", folder.path().string()});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("ashlar: " + file.string() + ": is no ELF file, so not a module\n"));
}

TEST_CASE("inspect describes a module and its parameters") {
  const std::string text =
      "name     pond\n"
      "kind     plugin\n"
      "version  2.1\n"
      "summary  still water\n"
      "ABI      1.0 (this ashlar has 1.0)\n"
      "threads  parallel\n"
      "path     " TEST_MODULES
      "/pond.so\n"
      "parameters\n"
      "  NAME   TYPE     DEFAULT  RANGE         REQUIRED  HELP\n"
      "  size   size     -        1..1G         yes       bytes\n"
      "  depth  choice   shallow  deep|shallow  no        how far down\n"
      "  dry    boolean  false    -             no        refuse to open\n"
      "  wet    boolean  false    -             no        take writes\n"
      "  fish   integer  -        0..9          no        how many\n"
      "  shore  path     -        -             no        a file\n"
      "config\n"
      "  [export.plugin]\n"
      "  type = ";
  const std::string skeleton =
      "\n"
      "  size = 1  # bytes\n"
      "  # depth = \"shallow\"  # how far down\n"
      "  # dry = false  # refuse to open\n"
      "  # wet = false  # take writes\n"
      "  # fish = 0  # how many\n"
      "  # shore = \"/path\"  # a file\n";
  const Outcome by_name = run_command({"inspect", "pond", "--module-path", TEST_MODULES});
  CHECK(by_name.code == 0);
  CHECK(by_name.err.empty());
  CHECK(by_name.out == text + "\"pond\"" + skeleton);
  CHECK(run_command({"inspect", TEST_MODULES "/pond.so"}).out == text + "\"" TEST_MODULES "/pond.so\"" + skeleton);
  CHECK_THAT(run_command({"inspect", "reed", "--module-path", TEST_MODULES}).out,
             ContainsSubstring("threads   serial\n"));
}

TEST_CASE("inspect says of a module that connects to others that it does") {
  CHECK_THAT(run_command({"inspect", "reed", "--module-path", TEST_MODULES}).out,
             ContainsSubstring("\nconnects  yes: the sandbox lets it connect to others\n"));
}

TEST_CASE("inspect tells the group and the abilities of a module") {
  CHECK_THAT(run_command({"inspect", "reed", "--module-path", TEST_MODULES}).out,
             ContainsSubstring("\ngroup     music\n"));
  CHECK_THAT(run_command({"inspect", "well", "--module-path", TEST_MODULES}).out,
             ContainsSubstring("\nprobe    yes: ashlar probe tells what a path can do with it\n"));
  CHECK_THAT(run_command({"inspect", "pond", "--module-path", TEST_MODULES}).out, !ContainsSubstring("yes:"));
}

TEST_CASE("inspect tells the path of a module without the detours") {
  const std::string folder = std::filesystem::path(TEST_MODULES).filename();
  for (const std::string& detour : {std::string("/./pond.so"), "/../" + folder + "/pond.so"})
    CHECK_THAT(run_command({"inspect", TEST_MODULES + detour}).out,
               ContainsSubstring("\npath     " TEST_MODULES "/pond.so\n"));
}

TEST_CASE("inspect of what is not there") {
  const Outcome outcome = run_command({"inspect", "--module-path", TEST_MODULES, "pnod"});
  CHECK(outcome.code == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, StartsWith("ashlar: no plugin or filter \"pnod\" in " TEST_MODULES ", "));
  CHECK_THAT(outcome.err, EndsWith("; did you mean \"pond\"?\n"));
  check_refused({"inspect", "/nowhere/a.so"}, "ashlar: /nowhere/a.so: No such file or directory");
}

TEST_CASE("output that cannot be written is a failure") {
  std::ostringstream out, err;
  out.setstate(std::ios::badbit);
  CHECK(ashlar::host::run({"inspect", TEST_MODULES "/pond.so"}, out, err) == 1);
  CHECK(err.str() == "ashlar: cannot write to stdout\n");
}
