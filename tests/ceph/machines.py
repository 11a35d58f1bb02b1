"""Two servers on two machines before one pool: the second takes over the address of the first, and the client goes on. Machines are
network namespaces. The names of their interfaces: `back` leads to Ceph, `front` to the clients."""

import os
import random
import subprocess

import cluster
from frame import MIB, PATIENCE, OverCeph
from lib import config, processes
from lib.processes import run
from lib.server import Server

# What clients know: an address, and below it that of the interface, which moves with it. (RFC 9568, 7.3)
SERVICE, INTERFACE = "10.16.1.1", "00:00:5e:00:01:10"


class Machine:
    """One that has no interface yet. `within`: words that execute those behind them there."""

    def __init__(self, case):
        self._holder = processes.start(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        case.addCleanup(self._holder.wait)
        case.addCleanup(self._holder.kill)
        self.pid = self._holder.pid
        self.within = ("nsenter", "--target", str(self.pid), "--net")
        case.wait_until("the namespace is there", lambda: self._namespace(self.pid) != self._namespace("self"))

    @staticmethod
    def _namespace(process):
        return os.readlink(f"/proc/{process}/ns/net")

    def ip(self, *words):
        run(*self.within, "ip", *words)

    def set(self, name, value):
        """Of sysctl."""
        run(*self.within, "sh", "-ec", f"echo {value} > /proc/sys/{name}")


class Machines(OverCeph):
    def cluster(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: makes network namespaces")
        self.middle = Machine(self)
        self.middle.ip("link", "set", "lo", "up")
        for number, network in enumerate(("back", "front")):
            self.middle.ip("link", "add", network, "type", "bridge")
            self.middle.ip("address", "add", f"10.16.{number}.254/24", "dev", network)
            self.middle.ip("link", "set", network, "up")
        own = cluster.Cluster(address="10.16.0.254", within=self.middle.within)
        self.addCleanup(own.stop)
        return own

    def machine(self, name, **addresses):
        """One with an interface to each network that is named, which is up if it has an address."""
        made = Machine(self)
        for network, address in addresses.items():
            self.middle.ip("link", "add", f"{name}-{network}", "type", "veth", "peer", "name", network, "netns", made.pid)
            self.middle.ip("link", "set", f"{name}-{network}", "master", network, "up")
            if address:
                made.ip("address", "add", f"{address}/24", "dev", network)
                made.ip("link", "set", network, "up")
        return made

    def door(self, number, image):
        machine = self.machine(f"door{number}", back=f"10.16.0.{number}", front=None)
        file = self.write(f"door{number}.toml", config.toml([self.export(image)], listen=["tcp:0.0.0.0:10809"]))
        server = Server([file], self.folder / f"door{number}.log", within=machine.within)
        self.servers.append(server)
        self.addCleanup(self._finish, server)
        return machine, server

    def takes_the_address(self, machine):
        machine.ip("address", "add", f"{SERVICE}/24", "dev", "front")
        machine.ip("link", "set", "front", "address", INTERFACE, "up")

    def dies(self, machine, server):
        """The whole machine: nobody hears of it."""
        for network in ("front", "back"):
            machine.ip("link", "set", network, "down")
        server.process.kill()
        server.process.wait()
        server.process.stdout.close()
        server.stopped = True

    def test_a_client_goes_on_when_a_machine_dies(self):
        image, source = self.image("32M"), self.folder / "source.img"
        source.write_bytes(random.Random(16).randbytes(32 * MIB))
        first, second = (self.door(number, image) for number in (1, 2))
        client = self.machine("client", front="10.16.1.100")
        # A client that only waits for an answer has to ask whether the other side is still there, to hear that it is not.
        for name, value in (("time", 1), ("intvl", 1)):
            client.set(f"net/ipv4/tcp_keepalive_{name}", value)
        self.takes_the_address(first[0])
        target = (f"driver=nbd,server.type=inet,server.host={SERVICE},server.port=10809,server.keep-alive=on,export=disk,"
                  f"reconnect-delay={PATIENCE}")
        words = ["qemu-img", "convert", "-n", "-r", "8M", "-f", "raw", "--target-image-opts", source, target]
        copy = processes.start([*client.within, *words], stdin=subprocess.DEVNULL)
        self.addCleanup(copy.wait)
        self.addCleanup(copy.kill)
        self.wait_until("a part is there", lambda: (self.ceph.diff(image) or [(0, 0)])[0][1] >= 8 * MIB)
        self.dies(*first)
        self.takes_the_address(second[0])
        self.assertEqual(copy.wait(PATIENCE), 0)
        self.assert_same(self.ceph.export(image), source.read_bytes(), "what rbd export has")
        self.assertIn('opened export "disk"', second[1].log())
