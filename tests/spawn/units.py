"""The units that are installed: well formed, hardened, and with all that the server needs."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

from frame import ENOUGH, MIB, PROGRAM, Case  # first: it finds lib
from lib import config, libnbd, processes
from lib.case import main

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["ASHLAR_BUILD"]) if "ASHLAR_BUILD" in os.environ else ROOT / "build"
SERVICES = ("ashlar.service", "ashlar@.service")


class Units(Case):
    def setUp(self):
        super().setUp()
        processes.run("cmake", "--install", BUILD, "--prefix", self.folder / "usr", "--component", "systemd")
        self.units = self.folder / "usr" / "lib" / "systemd" / "system"
        program = self.folder / "usr" / "bin" / "ashlar"
        program.parent.mkdir(exist_ok=True)
        shutil.copy(PROGRAM, program)
        self.text = {unit: (self.units / unit).read_text() for unit in SERVICES}

    def analyze(self, *words, ok=True):
        return processes.run("env", f"SYSTEMD_UNIT_PATH={self.units}:", "SYSTEMD_COLORS=0", "systemd-analyze", "--no-pager", *words, ok=ok)

    def exposure(self, unit):
        said = self.analyze("security", "--offline=yes", unit)
        return float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1])

    def test_they_are_well_formed_and_start_what_is_installed(self):
        for text in self.text.values():
            self.assertIn(f"\nExecStart={self.folder}/usr/bin/ashlar serve /etc/ashlar/", text)
        for unit in ("ashlar.service", "ashlar@x.service", "ashlar.socket"):
            self.assertEqual(self.analyze("verify", self.units / unit), "")
        (self.units / "ashlar.service").write_text(self.text["ashlar.service"].replace("WatchdogSec=30", "WatchdogSec=often"))
        self.assertIn("Failed to parse sec value", self.analyze("verify", self.units / "ashlar.service", ok=False).stdout)

    def test_their_exposure_is_low_and_grows_when_something_is_left_out(self):
        for unit in SERVICES:
            file = self.units / unit.replace("@", "@x")
            file.write_text(self.text[unit])
            self.assertLessEqual(self.exposure(file), 2.0)
            file.write_text(self.text[unit].replace("CapabilityBoundingSet=\n", "").replace("SystemCallFilter", "#"))
            self.assertGreater(self.exposure(file), 2.0)
        self.assertLessEqual(self.exposure(self.units / "ashlar.socket"), 2.0)

    def test_a_block_device_takes_a_drop_in_that_names_it(self):
        for text in self.text.values():
            self.assertIn("\nPrivateDevices=yes\nDevicePolicy=closed\n", text)
            self.assertNotRegex(text, "(?m)^DeviceAllow=")
        folder = self.units / "ashlar.service.d"
        folder.mkdir()
        for file in sorted((ROOT / "examples" / "systemd").glob("*.conf")):
            shutil.copy(file, folder)
        self.assertEqual(self.analyze("verify", "ashlar.service"), "")
        self.assertRegex((folder / "block-devices.conf").read_text(), r"(?m)^DeviceAllow=/dev/\S+ rw$")

    def allowed(self):
        """The names of the system calls that the services may make."""
        def of(names):
            found = set()
            for name in names:
                if not name.startswith("@"):
                    found.add(name)
                    continue
                lines = [line.strip() for line in self.analyze("syscall-filter", name).splitlines()[1:]]
                found |= of([line for line in lines if line and not line.startswith("#")])
            return found
        texts = {re.sub("(?m)^(?!SystemCallFilter=).*\n", "", text) for text in self.text.values()}
        self.assertEqual(len(texts), 1)
        allowed = set()
        for names in re.findall("(?m)^SystemCallFilter=(.*)$", texts.pop()):
            if names.startswith("~"):
                allowed -= of(names[1:].split())
            else:
                allowed |= of(names.split())
        self.assertGreater(len(allowed), 100)
        return allowed

    def test_the_server_makes_no_other_system_calls(self):
        allowed = self.allowed()
        self.assertLessEqual({"io_uring_setup", "io_uring_enter", "io_uring_register"}, allowed)
        self.assertNotIn("mount", allowed)
        trace = self.folder / "trace"
        trace.mkdir()
        exports = [config.file_export(self.disk), config.memory_export(MIB)]
        exports.append({"name": "direct", "plugin": {"type": "file", "path": str(self.disk), "direct": True}})
        server = self.serve(exports, listen=[f"unix:{self.folder}/0.sock", "tcp:127.0.0.1:0"],
                            within=["strace", "-ff", "-qq", "-e", "signal=none", "-o", trace / "calls"])
        for name in ("disk", "memory", "direct"):
            for kind in ("unix", "tcp"):
                client = libnbd.connect(server.uri(name, kind))
                client.pwrite(b"x" * 4096, 0, libnbd.nbd.CMD_FLAG_FUA)
                client.pread(65536, 0)
                client.zero(65536, 0)
                client.trim(65536, 65536)
                client.cache(4096, 0)
                client.flush()
                libnbd.extents(client, MIB, 0)
                os.posix_fadvise(self.descriptor(), 0, 0, os.POSIX_FADV_DONTNEED)
                client.pread(MIB // 2, MIB // 4)
                client.shutdown()
        # strace hands the signal on.
        os.kill(self.server_of(server.pid), signal.SIGTERM)
        self.assertEqual(server.process.wait(ENOUGH), 0)
        made = set()
        for file in trace.iterdir():
            made |= set(re.findall(r"(?m)^(\w+)\(", file.read_text(errors="replace")))
        self.assertIn("pwritev2" if "pwritev2" in made else "pwrite64", made)
        # The server does without cachestat (451), which systemd and strace may be too old to know.
        self.assertEqual(made - allowed - {"execve", "cachestat", "syscall_0x1c3"}, set())

    def descriptor(self):
        descriptor = os.open(self.disk, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        return descriptor

    @staticmethod
    def server_of(strace):
        return int(pathlib.Path(f"/proc/{strace}/task/{strace}/children").read_text().split()[0])


if __name__ == "__main__":
    main(needs=("systemd-analyze", "strace", "cmake"))
