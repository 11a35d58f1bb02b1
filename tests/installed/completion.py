"""Completion on the command line: what `ashlar complete` tells, and what bash, zsh and fish make of it when TAB is pressed."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import time

from frame import MIB, PROGRAM, ROOT, Case, main, run
from lib import config

SCRIPTS = ROOT / "host" / "cli" / "completion"
ENOUGH = 60  # seconds; only a hang takes so long
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ". /usr/share/bash-completion/bash_completion; . {}"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; . {}"),
    "fish": (["fish", "--no-config", "-i"], "set -g fish_autosuggestion_enabled 0; . {}"),
}


def complete(*words):
    """What the last word could become: the words, without what they mean."""
    return [line.partition("\t")[0] for line in run(PROGRAM, "complete", *words).splitlines()]


class Told(Case):
    def test_commands(self):
        self.assertEqual(complete("tr"), ["trace"])
        self.assertEqual(complete("trace", "re"), ["replay", "report"])
        self.assertEqual(complete("help", "ser"), ["serve"])
        self.assertEqual(complete("help", "serve", ""), [])
        self.assertEqual(complete("nonsense", ""), [])
        usage = re.findall(r"^  ([\w-]+) ", run(PROGRAM, "--help").split("Subcommands:")[1], re.MULTILINE)
        self.assertEqual(set(complete("")), {*usage, "help"})

    def test_options_are_those_that_help_tells(self):
        for command in (["serve"], ["certs"], ["trace", "show"], ["status"]):
            there = set(re.findall(r"(--[\w-]+)",
                                   " ".join(re.findall(r"^  (-.*?)(?:  |$)", run(PROGRAM, *command, "--help"), re.MULTILINE))))
            self.assertGreater(len(there), 1)
            self.assertEqual(set(complete(*command, "--")), there)
        self.assertEqual(complete("serve", "--read-"), ["--read-only"])

    def test_values_of_options(self):
        self.assertEqual(complete("serve", "--log-level", "d"), ["debug"])
        self.assertEqual(complete("serve", "--log-level=d"), ["--log-level=debug"])
        self.assertEqual(complete("serve", "disk.img", "--listen", ""), ["tcp:", "unix:", "fd:"])
        self.assertEqual(complete("serve", "--module-path", ""), [":folders"])
        self.assertEqual(complete("serve", "--name", ""), [])
        self.assertEqual(complete("trace", "export", "a.trace", "--to", "per"), ["perfetto"])
        self.assertEqual(complete("check", "--as", "u"), ["uid=", "user="])

    def test_modules_are_those_there_are(self):
        listed = [(module["kind"], module["name"]) for module in json.loads(run(PROGRAM, "list", "--json"))]
        self.assertEqual(complete("inspect", ""), [name for _, name in listed])
        self.assertEqual(complete("probe", "--plugin", ""), [name for kind, name in listed if kind == "plugin"])

    def test_operands(self):
        self.assertEqual(complete("serve", ""), [":files"])
        self.assertEqual(complete("serve", "disk.img", ""), [])
        self.assertEqual(complete("serve", "--", "--"), [":files"])
        self.assertEqual(complete("trace", "report", "a.trace", ""), [":files"])
        self.assertEqual(complete("new", "p"), ["plugin"])
        self.assertEqual(complete("completion", ""), ["bash", "zsh", "fish"])
        self.assertEqual(complete("log-level", "w"), ["warn"])

    def test_a_running_servers_exports_and_layers(self):
        control = f"unix:{self.folder}/control.sock"
        self.serve([config.memory_export(MIB, "quarry", filters=[{"type": "log"}, {"type": "log"}])], control=control)
        self.assertEqual(complete("disconnect", "--control", control, "--export", "q"), ["quarry"])
        self.assertEqual(complete("control", "--control", control, "quarry/l"), ["quarry/log", "quarry/log#2"])
        self.assertEqual(complete("control", "--control", f"unix:{self.folder}/none.sock", ""), [])

    def test_a_server_that_does_not_answer_holds_up_no_shell(self):
        path = self.folder / "silent.sock"
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(path))
            silent.listen()
            done = run(PROGRAM, "complete", "disconnect", "--control", f"unix:{path}", "--export", "", timeout=ENOUGH, ok=False)
        self.assertEqual((done.returncode, done.stdout), (-signal.SIGALRM, ""))


class Shell:
    """A shell at a terminal."""

    def __init__(self, name, folder):
        words, load = SHELLS[name]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ.update(HOME=str(folder), ZDOTDIR=str(folder), XDG_CONFIG_HOME=str(folder), XDG_DATA_HOME=str(folder),
                              TERM="xterm", PATH=f"{pathlib.Path(PROGRAM).parent}:{os.environ['PATH']}")
            os.execvp(words[0], words)
        self.text = ""
        self.typed = 0
        self.type(load.format(SCRIPTS / f"ashlar.{name}") + "\r")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def completed(self, text):
        """The words of the line when TAB has been pressed behind `text`."""
        self.typed += 1
        end = f"end-{self.typed}"
        # Then the line is made one that prints its words.
        self.type(f"{text}\t\x01printf '\\n<%s>\\n' \x05 {end}\r")
        deadline = time.monotonic() + ENOUGH
        while f"\n<{end}>" not in self.text:
            ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"the shell does not go on; it has shown {self.text!r}")
            self.text += os.read(self.terminal, 65536).decode(errors="replace").replace("\r", "")
        words = re.findall(r"^<(.*)>$", self.text, re.MULTILINE)
        self.text = ""
        return words[:-1]

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


class Tab(Case):
    def complete_in(self, name):
        if shutil.which(name) is None or not pathlib.Path("/usr/share/bash-completion/bash_completion").exists():
            self.skipTest(f"{name} or bash-completion is not installed")
        (self.folder / "my disk.img").touch()
        (self.folder / "modules").mkdir()
        shell = Shell(name, self.folder)
        self.addCleanup(shell.close)
        for typed, words in (
                ("ashlar tr", ["trace"]), ("ashlar trace repl", ["trace", "replay"]),
                ("ashlar serve --exit", ["serve", "--exit-with-parent"]),
                ("ashlar serve --log-level de", ["serve", "--log-level", "debug"]),
                ("ashlar serve --listen uni", ["serve", "--listen", "unix:"]), ("ashlar inspect zero-", ["inspect", "zero-emulation"]),
                ("ashlar serve my", ["serve", "my disk.img"]), ("ashlar serve --module-path m", ["serve", "--module-path", "modules"])):
            # A shell may take the slash behind a folder away again.
            self.assertEqual([word.rstrip("/") for word in shell.completed(typed)], ["ashlar", *words], typed)

    def test_bash(self):
        self.complete_in("bash")

    def test_zsh(self):
        self.complete_in("zsh")

    def test_fish(self):
        self.complete_in("fish")

    def test_completion_prints_what_is_installed(self):
        for shell in SHELLS:
            self.assertEqual(run(PROGRAM, "completion", shell), (SCRIPTS / f"ashlar.{shell}").read_text())
        self.assertIn("did you mean", run(PROGRAM, "completion", "bsh", ok=False).stdout)


if __name__ == "__main__":
    main()
