"""The loads, the image they run on, and one measurement: a load on a server."""

import contextlib
import json
import os
import statistics
import threading
import time

import peers
import processes

MIB = 1 << 20


class Load:
    """One op at one block size (bytes) and depth. `image`: what it runs on; `once`: over each block once, instead of for a
    time, because a second pass would find something else than the first. `goal`: what ashlar is to reach, operations and server
    CPU per operation in multiples of nbdkit's; `tls`: the same where both speak TLS."""

    def __init__(self, op, block, depth, connections=1, image="data", once=False, goal=None, tls=None):
        self.op, self.block, self.depth, self.connections, self.image, self.once = op, block, depth, connections, image, once
        self.goal, self.tls_goal = goal, tls

    @property
    def job(self):
        return f"op={self.op},block={self.block},depth={self.depth},connections={self.connections}"

    def extra(self, size):
        return ["--requests", size // self.block] if self.once else []


LOADS = {
    "4 KiB random read, depth 1": Load("randread", 4096, 1, goal=(1.2, 1.0)),
    "4 KiB random read, depth 32": Load("randread", 4096, 32, goal=(2.0, 0.4), tls=(1.4, 0.8)),
    "4 KiB random read, depth 16 × 4 connections": Load("randread", 4096, 16, 4, goal=(3.5, 0.35), tls=(1.4, 0.8)),
    "256 KiB read, depth 8": Load("read", 256 << 10, 8, goal=(2.5, 0.4), tls=(1.25, 0.85)),
    "2 MiB read, depth 4": Load("read", 2 << 20, 4, goal=(3.0, 0.4)),
    "4 KiB random write, depth 32": Load("randwrite", 4096, 32, goal=(1.4, 0.6), tls=(1.25, 0.8)),
    "4 KiB mixed (70 % reads), depth 32": Load("mixed", 4096, 32),
    "256 KiB write, depth 8": Load("write", 256 << 10, 8, goal=(1.2, 0.9), tls=(1.1, 0.95)),
    "64 KiB zero of data, depth 16": Load("zero", 64 << 10, 16, once=True),
    "64 KiB zero of holes, depth 16": Load("zero", 64 << 10, 16, image="holes", goal=(1.4, 0.6)),
    "64 KiB trim of data, depth 16": Load("trim", 64 << 10, 16, once=True),
    "64 KiB trim of holes, depth 16": Load("trim", 64 << 10, 16, image="holes", goal=(1.4, 0.6)),
}


class Image:
    """A scratch disk: random data, in the page cache and on the disk; or one hole. Made anew when something else may have come
    into it."""

    _random = os.urandom(16 * MIB)

    def __init__(self, folder, size):
        self.path, self.size = os.path.join(folder, f"ashlar-bench-{os.getpid()}.img"), size
        self._holds = None  # "data", "holes", None: neither alone

    def prepare(self, holds="data", spoils=False):
        """Makes it hold what is wanted, and waits until the disk has everything, so that no earlier write disturbs what comes.
        `spoils`: what comes makes holes in data, or data in holes."""
        if self._holds != holds:
            self.remove()
            with open(self.path, "wb") as file:
                if holds == "data":
                    for begin in range(0, self.size, len(self._random)):
                        file.write(self._random[:self.size - begin])
                else:
                    file.truncate(self.size)
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())
        self._holds = None if spoils else holds

    def remove(self):
        if os.path.lexists(self.path):
            os.unlink(self.path)


@contextlib.contextmanager
def scratch(folder, size):
    """An image for the duration of the block."""
    image = Image(folder, size)
    try:
        yield image
    finally:
        image.remove()


class Watch(threading.Thread):
    """The most memory that a server had while it was watched, in MiB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self._over = pid, 0.0, threading.Event()

    def run(self):
        while not self._over.wait(0.1):
            self.most = max(self.most, processes.resident_mib(self.pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self.join()
        self.most = max(self.most, processes.resident_mib(self.pid))


def measure(options, running, jobs, extra=()):
    """Runs jobs at once on a running server. The result of the load generator, with the server's CPU and memory."""
    tls = ["--tls", f"{running.place.tls}/clients/bench"] if running.place.tls else []
    command = [options.load, running.address, *tls, "--export", running.peer.export, "--seconds", options.seconds, *extra, *jobs]
    with Watch(running.pid) as watch:
        before = processes.cpu_seconds(running.pid)
        result = json.loads(processes.output(command, timeout=options.seconds + 120))
        time.sleep(0.05)  # a child that served the connection is counted when its parent has taken note of its end
        used = processes.cpu_seconds(running.pid) - before
    result["server_cpu_us"] = used * 1e6 / max(1, result["operations"])
    result["rss_mib"] = watch.most
    return result


def flat(result):
    """One job's result as one row of numbers."""
    row = dict(result["jobs"][0])
    return {"ops": row["ops_per_second"], "mib": row["mib_per_second"], "p50": row["p50_us"], "p99": row["p99_us"],
            "cpu": result["server_cpu_us"], "client_cpu": result["client_cpu_us"], "rss": result["rss_mib"],
            "errors": row["errors"]}


def summary(found, base):
    """{name: row} of {name: [row of each round]}: medians, and in "of_base" the median of each round's ratio to `base` in the same
    round, as the machine is not the same for long."""
    table = {name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in found.items()}
    for name, rows in found.items():
        pairs = list(zip(rows, found.get(base, []))) if len(rows) == len(found.get(base, [])) else []
        ratios = {key: [row[key] / other[key] for row, other in pairs if key in other and other[key]] for key in rows[0]}
        table[name]["of_base"] = {key: statistics.median(some) for key, some in ratios.items() if some}
    return table


def compare(options, image, transport, servers, loads):
    """{load: {server: row}}. Servers take turns within each round, so that what disturbs the machine disturbs all; each round begins with
    another."""
    table = {}
    for name in loads:
        load = LOADS[name]
        found = {}
        for number in range(options.rounds):
            first = number % len(servers)
            for server in servers[first:] + servers[:first]:
                image.prepare(load.image, spoils=load.op in ("zero", "trim"))
                try:
                    with peers.serving(server, image.path, transport, tls=options.tls) as running:
                        found.setdefault(server.name, []).append(
                            flat(measure(options, running, [load.job], load.extra(image.size))))
                except RuntimeError as error:
                    options.tell(f"{name}: {server.name}: {error}")
        found = {server.name: found[server.name] for server in servers if server.name in found}  # in the usual order
        table[name] = summary(found, peers.BASE)
        options.tell(f"{name}: " + ", ".join(f"{server} {row['ops']:.0f}/s" for server, row in table[name].items()))
    return table
