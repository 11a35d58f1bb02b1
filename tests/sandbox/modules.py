"""What a module may do in the server's sandbox, and that all else goes on."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import config, libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.images import MIB  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

PROBER, REFUSE = os.environ["ASHLAR_PROBER"], os.environ["ASHLAR_REFUSE"]
CURL = pathlib.Path(PROGRAM).parents[1] / "lib" / "ashlar" / "plugins" / "curl.so"
PATIENCE = 60  # seconds; only a failure takes so long


class Sandboxed(Case):
    def setUp(self):
        super().setUp()
        self.images, self.readable, self.outside = (self.new_folder() for _ in range(3))
        for folder in (self.images, self.readable, self.outside):
            (folder / "disk.img").write_bytes(bytes(MIB))
        self.control = self.folder / "control.sock"

    def new_folder(self):
        """That of the config may be read, so this is another one."""
        holder = tempfile.TemporaryDirectory(prefix="ashlar-")
        self.addCleanup(holder.cleanup)
        return pathlib.Path(holder.name)

    def exports(self, **prober):
        return [config.file_export(self.images / "disk.img", filters=[{"type": PROBER, **prober}]),
                config.file_export(self.readable / "disk.img", "readable", read_only=True)]

    def start(self, sandbox="require", exports=None, **how):
        return self.serve(exports or self.exports(), control=f"unix:{self.control}", sandbox=sandbox, **how)

    def attempt(self, *words, verb="try"):
        done = subprocess.run([PROGRAM, "control", "--control", f"unix:{self.control}", "disk/prober", verb, *map(str, words)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def refused_to_start(self, *words, within=()):
        done = subprocess.run([*within, PROGRAM, "serve", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def config(self, sandbox, exports=None):
        return self.write("x.toml", config.toml(exports or self.exports(), listen=[f"unix:{self.folder}/x.sock"], sandbox=sandbox))

    def check(self, file):
        return json.loads(subprocess.run([PROGRAM, "check", "--json", file], capture_output=True, check=True, timeout=PATIENCE).stdout)


class FromInside(Sandboxed):
    def listeners(self):
        """A port and a path at which somebody listens."""
        tcp, unix = socket.socket(socket.AF_INET), socket.socket(socket.AF_UNIX)
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(self.outside / "peer.sock"))
        for one in (tcp, unix):
            one.listen()
            self.addCleanup(one.close)
        return tcp.getsockname()[1], self.outside / "peer.sock"

    def test_a_module_may_do_only_what_the_config_needs(self):
        port, path = self.listeners()
        self.start()
        for verb in ("try", "try-in-thread"):
            for words, answer in {
                ("read", "/etc/passwd"): "EACCES", ("read", self.outside / "disk.img"): "EACCES", ("write", self.outside / "new"): "EACCES",
                ("write", self.readable / "disk.img"): "EACCES", ("remove", self.readable / "disk.img"): "EACCES",
                ("exec",): "EPERM", ("ptrace",): "EPERM", ("mount",): "EPERM", ("tcp", port): "EPERM", ("unix", path): "EPERM",
                ("read", self.readable / "disk.img"): "ok", ("write", self.images / "new"): "ok", ("remove", self.images / "new"): "ok",
                ("read", "/proc/self/status"): "ok", ("write", "/dev/null"): "ok",
            }.items():
                with self.subTest(verb=verb, words=words):
                    self.assertEqual(self.attempt(*words, verb=verb), answer)

    def test_without_a_sandbox_it_may_do_more(self):
        port, path = self.listeners()
        self.start("off")
        for words, answer in {("read", "/etc/passwd"): "ok", ("write", self.outside / "new"): "ok", ("exec",): "ENOENT",
                              ("mount",): "ENOENT", ("ptrace",): "ESRCH",
                              ("tcp", port): "ok", ("unix", path): "ok",
                              ("write", self.readable / "disk.img"): "ok"}.items():
            with self.subTest(words=words):
                self.assertEqual(self.attempt(*words), answer)

    def test_the_config_may_allow_more(self):
        port, path = self.listeners()
        other = self.new_folder()
        self.start({"mode": "require", "connect": True, "read": [str(self.outside)], "write": [str(other)]})
        for words, answer in {("tcp", port): "ok", ("unix", path): "ok", ("read", self.outside / "disk.img"): "ok", ("exec",): "EPERM",
                              ("write", self.outside / "disk.img"): "EACCES", ("write", other / "new"): "ok"}.items():
            with self.subTest(words=words):
                self.assertEqual(self.attempt(*words), answer)

    def test_all_threads_are_in_it(self):
        server = self.start()
        self.attempt("exec")
        status = [(task / "status").read_text() for task in pathlib.Path(f"/proc/{server.pid}/task").iterdir()]
        self.assertGreater(len(status), 2)
        for text in status:
            self.assertIn("NoNewPrivs:\t1\n", text)
            self.assertIn("Seccomp:\t2\n", text)


class GoesOn(Sandboxed):
    def read(self, server, export="disk"):
        client = libnbd.connect(server.uri(export))
        self.addCleanup(client.shutdown)
        return bytes(client.pread(512, 0))

    def test_a_file_that_is_renamed_over_an_image_is_served(self):
        (self.readable / "link.img").symlink_to(self.outside / "target.img")
        (self.outside / "target.img").write_bytes(bytes(MIB))
        link = config.file_export(self.readable / "link.img", "link")
        server = self.start(exports=[*self.exports(), link])
        for export, file in (("disk", self.images / "disk.img"), ("readable", self.readable / "disk.img"),
                             ("link", self.outside / "target.img")):
            (file.parent / "new.img").write_bytes(b"x" * MIB)
            (file.parent / "new.img").rename(file)
            self.assertEqual(self.read(server, export), b"x" * 512)

    def test_an_optional_export_whose_file_comes_later_is_served(self):
        late = config.file_export(self.outside / "late" / "disk.img", "late", optional=True)
        server = self.start(exports=[*self.exports(), late])
        (self.outside / "late").mkdir()
        (self.outside / "late" / "disk.img").write_bytes(b"x" * MIB)
        self.assertEqual(self.read(server, "late"), b"x" * 512)

    def test_the_command_is_not_in_it(self):
        text = 'cat /etc/passwd >"$OUT" && nbdinfo --size "$uri" >"$OUT.size" && echo "$unixsocket" >"$OUT.socket"'
        done = subprocess.run([PROGRAM, "serve", self.images / "disk.img", "--run", text],
                              env={**os.environ, "OUT": str(self.outside / "out")},
                              stdin=subprocess.DEVNULL, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        self.assertEqual((self.outside / "out").read_bytes(), pathlib.Path("/etc/passwd").read_bytes())
        self.assertEqual((self.outside / "out.size").read_text(), f"{MIB}\n")
        self.assertFalse(pathlib.Path((self.outside / "out.socket").read_text().strip()).parent.exists())

    def test_a_trace_is_begun_anew(self):
        trace = self.new_folder()
        disk = config.file_export(self.images / "disk.img", filters=[{"type": "trace", "path": str(trace / "disk.trace")}])
        server = self.start(exports=[disk])
        self.read(server)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(PATIENCE), 0)
        self.assertNotEqual([], list(trace.iterdir()))


class Kernels(Sandboxed):
    def test_what_the_kernel_lacks_is_told_once(self):
        for call, line in (("landlock", "the kernel has no Landlock (Function not implemented)"),
                           ("seccomp", "the kernel has no seccomp (Function not implemented)")):
            with self.subTest(call=call):
                server = self.start("auto", within=[REFUSE, call, "--"])
                self.assertEqual(self.attempt("read", "/etc/passwd"), "ok" if call == "landlock" else "EACCES")
                self.assertEqual(self.attempt("exec"), "EPERM" if call == "landlock" else "ENOENT")
                self.assertEqual(server.log().count("sandbox: "), 1)
                self.assertIn(f"sandbox: {line}", server.log())
                server.stop()
                text = self.refused_to_start(self.config("require"), within=[REFUSE, call, "--"])
                self.assertIn(f"[server] sandbox: {line}", text)

    def test_a_thread_that_takes_no_signal_is_told(self):
        server = self.start("auto", self.exports(deaf=True))
        line = "sandbox: a thread is not bounded to its files: ashlar: it has the signal SIGRTMAX blocked"
        end = time.monotonic() + PATIENCE
        while line not in server.log():  # a thread of its own writes it
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        self.assertEqual(self.attempt("read", "/etc/passwd"), "EACCES")
        self.assertEqual(self.attempt("exec", verb="try-in-thread"), "EPERM")
        self.assertIn("a thread is not bounded", self.refused_to_start(self.config("require", self.exports(deaf=True))))


class Told(Sandboxed):
    def test_paths_of_included_files_count_from_these(self):
        (self.outside / "own").mkdir()
        (self.outside / "own" / "disk.img").write_bytes(bytes(MIB))
        (self.outside / "one.toml").write_text('[[export]]\nname = "own"\nplugin = { type = "file", path = "own/disk.img" }\n')
        file = self.config("auto")
        file.write_text(f'include = ["{self.outside}/*.toml"]\n' + file.read_text())
        allowed = {one["path"]: one["access"] for one in self.check(file)["sandbox"]["allowed"]}
        self.assertEqual(allowed[str(self.outside.resolve())], "read")
        self.assertEqual(allowed[str((self.outside / "own").resolve())], "write")

    def test_check_tells_what_would_be_allowed(self):
        told = self.check(self.config("auto"))["sandbox"]
        allowed = {one["path"]: one["access"] for one in told["allowed"]}
        self.assertEqual((told["mode"], told["connect"]), ("auto", False))
        self.assertEqual(allowed[str(self.images.resolve())], "write")
        self.assertEqual(allowed[str(self.readable.resolve())], "read")
        self.assertNotIn(str(self.outside.resolve()), allowed)
        self.assertLessEqual({"connect", "execve", "ptrace", "mount"}, set(told["refused_calls"]))
        text = subprocess.run([PROGRAM, "check", self.config("auto")], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
        self.assertIn(f'\n  writes    {self.images.resolve()} (export "disk": file: path)\n', text)
        self.assertIn("\nsandbox auto\n", text)
        self.assertEqual(self.check(self.config("off"))["sandbox"], {"mode": "off", "connect": False, "allowed": [], "refused_calls": []})

    @unittest.skipUnless(CURL.exists(), "built without the plugin curl")
    def test_a_module_that_connects_is_let(self):
        disk = {"name": "disk", "optional": True, "plugin": {"type": "curl", "url": "http://127.0.0.1:9/disk.img", "times": 0}}
        file = self.config("auto", [disk])
        told = self.check(file)["sandbox"]
        self.assertTrue(told["connect"])
        self.assertNotIn("connect", told["refused_calls"])
        self.assertIn({"path": "/etc", "access": "read", "why": 'export "disk": curl'}, told["allowed"])
        text = subprocess.run([PROGRAM, "check", file], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
        self.assertIn('\n  connects  yes (export "disk": curl)\n', text)

    def test_a_device_is_allowed_by_itself(self):
        (self.images / "disk.img").unlink()
        (self.images / "disk.img").symlink_to("/dev/null")
        allowed = {one["path"]: one["why"] for one in self.check(self.config("auto", [
            {**self.exports()[0], "optional": True}]))["sandbox"]["allowed"]}
        self.assertNotIn("/dev", allowed)
        self.assertIn("/dev/null", allowed)


if __name__ == "__main__":
    main(needs=["nbdinfo"])
