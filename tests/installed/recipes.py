"""examples/recipes: each is run as it stands there, but for ports and folders, which are the test's own."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

from frame import MIB, PROGRAM, ROOT, Case, main, run
from lib import libnbd, processes

try:
    import yaml
except ImportError:
    yaml = None

RECIPES = ROOT / "examples" / "recipes"
README = (RECIPES / "README.md").read_text()
ENOUGH = 60  # seconds; only a hang takes so long


def commands(heading):
    """The lines between ```sh and ``` below a heading, of all such blocks."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)).splitlines()


class Recipe(Case):
    def setUp(self):
        super().setUp()
        self.environment = {**os.environ, "PATH": f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}"}

    def shell(self, line, **variables):
        done = subprocess.run(["sh", "-euc", line], cwd=self.folder, env={**self.environment, **variables}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=ENOUGH)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def replaced(self, text, places):
        for old, new in places.items():
            self.assertIn(old, text)
            text = text.replace(old, str(new))
        return text

    def handed(self, listening, file):
        """A server that is handed the socket as systemd would."""
        script = 'exec 3<&"$1"; shift; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=nbd; exec "$@"'
        server = processes.start(["bash", "-c", script, "-", listening.fileno(), PROGRAM, "serve", file], pass_fds=[listening.fileno()],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end, server)
        while not (line := server.stdout.readline()).startswith("listening on "):
            self.assertTrue(line, "the server has ended")
        return server

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def wait_until(self, true, what):
        end = time.monotonic() + ENOUGH
        while not true():
            self.assertLess(time.monotonic(), end, f"in vain waited until {what}")
            time.sleep(0.01)


class Recipes(Recipe):
    def test_the_list_has_them_all(self):
        listed = re.findall(r"^- \[(.*)\]\(#(.*)\)$", README, re.MULTILINE)
        self.assertEqual([name for name, _ in listed], re.findall("^## (.*)$", README, re.MULTILINE))
        self.assertEqual([place for _, place in listed], [name.lower().replace(" ", "-") for name, _ in listed])
        for link in re.findall(r"\]\(([^)#]+)\)", README):
            self.assertTrue((RECIPES / link).exists(), link)
        for file in RECIPES.iterdir():
            self.assertTrue(file.name in README or file.name in ("README.md", "Dockerfile.dockerignore"), file)

    def test_tls_behind_systemd(self):
        made, *installed, restart, seen = commands("TLS behind systemd")
        self.assertEqual([line.split()[-2:] for line in installed],
                         [["../systemd/tls.conf", "/etc/systemd/system/ashlar.service.d/tls.conf"],
                          ["tls-behind-systemd.toml", "/etc/ashlar/ashlar.toml"]])
        self.assertEqual(restart, "systemctl restart ashlar.service")
        pki, handed = self.folder / "pki", self.folder / "handed"
        self.shell(self.replaced(made, {"/etc/ashlar/pki": pki}))
        handed.mkdir()
        for name, file in re.findall(r"(?m)^LoadCredential=(\S+):/etc/ashlar/pki/(\S+)$",
                                     (ROOT / "examples" / "systemd" / "tls.conf").read_text()):
            shutil.copy(pki / file, handed / name)
        self.sparse_file("disk.img", MIB)
        text = self.replaced((RECIPES / "tls-behind-systemd.toml").read_text(), {
            "tcp::10809": "tcp:127.0.0.1:0", "/var/lib/ashlar": self.folder, "/run/ashlar": self.folder})
        server = self.serve_words([self.write("own.toml", text.replace("/run/credentials/ashlar.service", str(handed)))],
                                  environment={"CREDENTIALS_DIRECTORY": str(handed)})
        port = server.endpoint("tcp")[1]
        self.assertIn(str(MIB), self.shell(self.replaced(seen, {"localhost/": f"localhost:{port}/", "/etc/ashlar/pki": pki})))

    def test_one_port_and_many_disks(self):
        serve, listed, copied = commands("One port and many disks")
        self.assertEqual(serve, "ashlar serve many-disks.toml")
        for name in ("alice", "bob", "installer"):
            self.sparse_file(f"{name}.img", MIB)
        text = self.replaced((RECIPES / "many-disks.toml").read_text(), {"tcp:127.0.0.1:10809": "tcp:127.0.0.1:0"})
        server = self.serve_words([self.write("many-disks.toml", text)])
        place = server.address("tcp").removeprefix("tcp:")
        said = self.shell(listed.replace("localhost", place))
        self.assertEqual(re.findall('export="(.*)":', said), ["alice", "bob", "installer"])
        self.assertRegex(said, r'(?s)export="installer".*is_read_only: true')
        self.shell(copied.replace("localhost", place))
        self.assertEqual((self.folder / "alice-copy.img").stat().st_size, MIB)

    def behind_systemd(self):
        self.sparse_file("disk.img", MIB)
        text = (RECIPES / "behind-systemd.toml").read_text()
        return self.write("behind-systemd.toml", self.replaced(text, {"/run/ashlar": self.folder, "/var/lib/ashlar": self.folder}))

    def test_behind_systemd(self):
        install, enable, asked = commands("Behind systemd")
        service, unit = ((ROOT / "host" / "systemd" / name).read_text() for name in ("ashlar.service.in", "ashlar.socket"))
        self.assertIn(" serve " + install.split()[-1] + "\n", service)
        self.assertIn("ListenStream=" + asked.split("socket=")[1] + "\n", unit)
        self.assertEqual(enable.split()[-1], "ashlar.socket")
        path = self.folder / "ashlar.sock"
        activated = processes.start(["systemd-socket-activate", "--fdname=nbd", "-l", path, PROGRAM, "serve", self.behind_systemd()],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(self.end, activated)
        self.wait_until(path.exists, "there is a socket")
        self.assertIn("export-size: 1048576", self.shell(asked.replace("/run/ashlar.sock", str(path))))

    def test_a_new_binary_without_a_refused_client(self):
        self.assertEqual(commands("A new binary without a refused client")[-1], "systemctl restart ashlar.service")
        file = self.behind_systemd()
        path = self.folder / "ashlar.sock"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen()
            old = self.handed(listening, file)
            uri = f"nbd+unix:///disk?socket={path}"
            client = libnbd.connect(uri)
            client.pwrite(b"x" * 4096, 0)
            old.send_signal(signal.SIGTERM)
            self.assertEqual(old.wait(ENOUGH), 0)
            # Comes while no server is there.
            waiting = processes.start(["nbdinfo", "--size", uri], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.addCleanup(self.end, waiting)
            asking = socket.socket(socket.AF_UNIX)
            self.addCleanup(asking.close)
            asking.settimeout(ENOUGH)
            asking.connect(str(path))
            self.handed(listening, file)
            self.assertEqual(asking.recv(8), b"NBDMAGIC")
            self.assertEqual(waiting.communicate(timeout=ENOUGH)[0], "1048576\n")
            self.assertEqual(libnbd.connect(uri).pread(4096, 0), b"x" * 4096)

    def test_exit_when_the_client_leaves(self):
        *within, drain, kill = commands("Exit when the client leaves")
        self.assertEqual(len(within), 2)
        self.sparse_file("disk.img", MIB)
        for line in within:
            self.shell(line)
            self.assertEqual((self.folder / "copy.img").stat().st_size, MIB)
            (self.folder / "copy.img").unlink()
        control = f"unix:{self.folder}/control.sock"
        server = self.serve([{"name": "disk", "filters": [], "plugin": {"type": "memory", "size": MIB}}], control=control)
        client = libnbd.connect(server.uri("disk"))
        drain = drain.replace("unix:/run/ashlar/control.sock", control)
        leaving = processes.start(["sh", "-euc", f"{drain}\n{kill}"], env={**self.environment, "server": str(server.pid)})
        self.addCleanup(self.end, leaving)
        self.wait_until(lambda: '"draining": true' in run(PROGRAM, "status", "--json", "--control", control), "the server drains")
        with self.assertRaises(libnbd.nbd.Error):
            libnbd.connect(server.uri("disk"))
        client.pwrite(b"y" * 512, 0)
        self.assertIsNone(leaving.poll())
        client.shutdown()
        self.assertEqual(leaving.wait(ENOUGH), 0)
        self.assertEqual(server.process.wait(ENOUGH), 0)

    @unittest.skipIf(yaml is None, "python3-yaml is not installed")
    def test_as_a_sidecar_in_kubernetes(self):
        config, pod = yaml.safe_load_all((RECIPES / "sidecar.yaml").read_text())
        sidecar, = pod["spec"]["initContainers"]
        program, = pod["spec"]["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in sidecar["volumeMounts"]}
        self.assertEqual(set(mounts), {volume["name"] for volume in pod["spec"]["volumes"]})
        self.sparse_file("disk.img", MIB)
        places = {mounts["sockets"] + "/": f"{self.folder}/", mounts["disks"] + "/": f"{self.folder}/", "tcp::9809": "tcp:127.0.0.1:0"}
        name = os.path.relpath(sidecar["args"][1], mounts["config"])
        file = self.write(name, self.replaced(config["data"][name], places))
        self.assertEqual(sidecar["args"][0], "serve")
        server = self.serve_words([file])
        port = int(re.search(r"tells figures at tcp:127.0.0.1:(\d+)/metrics", server.log())[1])
        self.assertEqual(sidecar["ports"], [{"name": "metrics", "containerPort": 9809}])

        def answers():
            found = {}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = sidecar[probe]["httpGet"]
                self.assertEqual(asked["port"], "metrics")
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ENOUGH)
                connection.request("GET", asked["path"])
                found[probe] = connection.getresponse().status
                connection.close()
            return found

        self.assertEqual(answers(), {"startupProbe": 200, "readinessProbe": 200, "livenessProbe": 200})
        disk = program["env"][0]["value"]
        self.assertIn("export-size: 1048576", run("nbdinfo", disk.replace(mounts["sockets"], str(self.folder))))
        run(PROGRAM, "drain", "--control", f"unix:{self.folder}/control.sock")
        self.assertEqual(answers(), {"startupProbe": 503, "readinessProbe": 503, "livenessProbe": 200})


if __name__ == "__main__":
    main(needs=("nbdinfo", "nbdcopy", "systemd-socket-activate", "bash"))
