"""The rows that are not one load on one server: copies, direct I/O, chains, start, idle and held connections, fairness."""

import json
import ssl
import statistics
import time

import loads
import peers  # which has lib found, too
import processes
from lib import wire


def in_turn(options, what, variants, measure, rounds=None):
    """{name: [row of each round]}; `variants`: {name: argument of measure}. Each round begins with another."""
    found = {name: [] for name in variants}
    for number in range(rounds or options.rounds):
        first = number % len(variants)
        for name in [*variants][first:] + [*variants][:first]:
            try:
                found[name].append(measure(variants[name]))
            except RuntimeError as error:
                options.tell(f"{what}: {name}: {error}")
    options.tell(f"{what}: done")
    return {name: rows for name, rows in found.items() if rows}


def copies(options, image, servers):
    """Seconds that clients need for the whole image: {client: {server: row}}."""
    clients = {
        "nbdcopy": lambda uri: ["nbdcopy", uri, "null:"],
        "qemu-img convert": lambda uri: ["qemu-img", "convert", "-n", "-f", "raw", uri, "--target-image-opts",
                                         f"driver=null-co,size={image.size}"],
    }

    def seconds(command):
        def one(server):
            image.prepare()
            with peers.serving(server, image.path) as running:
                begin = time.perf_counter()
                processes.output(command(running.uri))
                return {"seconds": time.perf_counter() - begin}
        return one

    return {client: loads.summary(in_turn(options, client, {s.name: s for s in servers}, seconds(command)), peers.BASE)
            for client, command in clients.items()}


def direct(options, image, servers, kind="read"):
    """4 KiB O_DIRECT random reads or writes at depth 32: what fio reaches on the file itself, and servers that bypass the page cache."""
    image.prepare()

    def fio(engine):
        out = processes.output(["fio", "--name=direct", f"--filename={image.path}", f"--rw=rand{kind}", "--bs=4k",
                                "--iodepth=32", "--direct=1", f"--ioengine={engine}", "--time_based", f"--runtime={options.seconds}",
                                "--output-format=json"])
        told = json.loads(out[out.index("{"):])["jobs"][0][kind]
        percentiles = told["clat_ns"].get("percentile", {})
        return {"ops": told["iops"], "p50": percentiles.get("50.000000", 0) / 1000, "p99": percentiles.get("99.000000", 0) / 1000}

    def served(server):
        with peers.serving(server, image.path) as running:
            row = loads.flat(loads.measure(options, running, [loads.Load(f"rand{kind}", 4096, 32).job]))
            return {key: row[key] for key in ("ops", "p50", "p99")}

    variants = {f"fio {engine}": (fio, engine) for engine in ("io_uring", "libaio")}
    variants["ashlar, direct"] = (served, peers.Ashlar(options.ashlar, direct=True))
    if any(s.name.startswith("qemu-nbd") for s in servers):
        for aio in ("io_uring", "native"):
            variants[f"qemu-nbd {aio}, --cache=none"] = (served, peers.QemuNbd(aio, direct=True))
    found = in_turn(options, f"direct {kind}s", variants, lambda variant: variant[0](variant[1]))
    engines = [name for name in found if name.startswith("fio")]
    return loads.summary(found, max(engines, key=lambda name: statistics.median(row["ops"] for row in found[name]), default=None))


def chains(options, image):
    """4 KiB random reads through layers that do nothing, a log filter that is off, and one that traces."""
    image.prepare()
    layer = {"type": json.dumps(str(options.pass_filter))}
    log = {"type": '"log"', "level": '"trace"'}  # the server's own level is info
    trace = {"type": '"trace"', "path": '"disk.trace"'}  # beside the config, in a folder that goes
    one, several = loads.Load("randread", 4096, 32), loads.Load("randread", 4096, 16, 4)
    variants = {"no filter": ((), one), "five filters that pass on": ((layer,) * 5, one),
                "log, at a level that is off": ((log,), one), "trace": ((trace,), one)}
    beside = {"no filter, depth 16 × 4 connections": ((), several), "trace, depth 16 × 4 connections": ((trace,), several)}

    def measured(variant):
        filters, load = variant
        with peers.serving(peers.Ashlar(options.ashlar, filters=filters), image.path) as running:
            row = loads.flat(loads.measure(options, running, [load.job]))
            return {key: row[key] for key in ("ops", "cpu")}

    # The differences are small: many rounds.
    table = {}
    for some in variants, beside:
        table |= loads.summary(in_turn(options, "chains", some, measured, rounds=5 * options.rounds), next(iter(some)))
    return table


def start(options, image, servers, times=20):
    """Milliseconds from starting the process until a client can connect: the median of `times`."""
    image.prepare()
    found = {}
    for _ in range(times):
        for server in servers:
            with peers.serving(server, image.path, kill=True) as running:
                found.setdefault(server.name, []).append(running.start_ms)
    options.tell("start: done")
    return {name: statistics.median(rows) for name, rows in found.items()}


class Crowd:
    """Many clients in transmission that ask for nothing by themselves."""

    class Address:
        def __init__(self, running):
            self.socket, self._port = str(running.place.socket), running.place.port

        def endpoint(self, kind):
            return ("127.0.0.1", self._port) if kind == "tcp" else self.socket

    def __init__(self, running, number):
        self.clients = []
        try:
            for _ in range(number):
                self.clients.append(wire.Client(self.Address(running)))
                self.clients[-1].go(running.peer.export)
        except (OSError, wire.Closed, AssertionError) as error:
            have = len(self.clients)
            self.close()
            raise RuntimeError(f"client {have} of {number} was not served: {error!r}") from None

    def answered(self):
        """How many get an answer to one read each, asked all at once."""
        good = 0
        for number, client in enumerate(self.clients):
            client.request(wire.CMD_READ, number % 1024 * 4096, 4096, cookie=number)
        for number, client in enumerate(self.clients):
            good += client.simple_reply(4096, cookie=number)[0] == 0
        return good

    def close(self):
        for client in self.clients:
            try:
                # An orderly farewell, so that servers do not fill their logs.
                client.socket.sendall(wire.request(wire.CMD_DISC))
            except OSError:
                pass
            client.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def crowds(options, image, servers, idle=1000, held=10_000):
    """Memory in MiB, with `idle` clients that do nothing and with `held` clients that were answered once."""
    image.prepare()
    table = {}
    ashlar = peers.Ashlar(options.ashlar, max_connections=held + 1000)
    for server in [ashlar, *(s for s in servers if s.name.startswith(("nbdkit", "qemu-nbd threads")))]:
        row = {}
        try:
            with peers.serving(server, image.path) as running:
                row["before"] = processes.resident_mib(running.pid)
                with Crowd(running, idle):
                    time.sleep(1)
                    row[f"{idle} idle"] = processes.resident_mib(running.pid)
            if server is ashlar:
                with peers.serving(server, image.path) as running, Crowd(running, held) as crowd:
                    row["answered"] = crowd.answered()
                    time.sleep(1)
                    row[f"{held} held"] = processes.resident_mib(running.pid)
        except RuntimeError as error:
            options.tell(f"crowds: {server.name}: {error}")
        table[server.name] = row
    options.tell("crowds: done")
    return table


def handshakes(options, image, servers, number=300):
    """Of a full handshake of TLS, with both certificates: server CPU in ms, and MiB of 1000 idle connections:
    {transport: {server: row}}."""
    image.prepare()
    context = ssl.create_default_context(cafile=f"{options.tls}/ca-cert.pem")
    context.check_hostname = False
    context.load_cert_chain(f"{options.tls}/clients/bench/client-cert.pem", f"{options.tls}/clients/bench/client-key.pem")

    def client(running, transport):
        made = wire.Client(Crowd.Address(running), kind=transport)
        made.greet()
        made.secure(context)
        return made

    def one(transport):
        def measure(server):
            with peers.serving(server, image.path, transport, tls=options.tls) as running:
                client(running, transport).close()
                before = processes.cpu_seconds(running.pid)
                for _ in range(number):
                    client(running, transport).close()
                time.sleep(0.05)
                row = {"cpu_ms": (processes.cpu_seconds(running.pid) - before) * 1000 / number}
                try:
                    idle = [client(running, transport).enter(running.peer.export) for _ in range(1000)]
                    time.sleep(7)  # until memory has gone back to the system
                    row |= {"idle_mib": processes.resident_mib(running.pid), "threads": processes.threads(running.pid)}
                    for each in idle:
                        each.close()
                except (OSError, wire.Closed, AssertionError) as error:
                    options.tell(f"handshakes: {server.name}: {error!r}")
                    row |= {"idle_mib": 0, "threads": 0}
                return row
        return measure

    return {transport: loads.summary(in_turn(options, f"handshakes, {transport}", {s.name: s for s in servers}, one(transport)), peers.BASE)
            for transport in options.transports}


def fairness(options, image, servers):
    """p99 in microseconds of a 4 KiB reader at depth 1: alone, and beside another connection at full depth."""
    image.prepare()
    reader = loads.Load("randread", 4096, 1).job
    beside = {
        "alone": [],
        "beside 256 KiB reads, depth 32": [loads.Load("read", 256 << 10, 32).job],
        "beside 4 KiB random reads, depth 32": [loads.Load("randread", 4096, 32).job],
    }

    def one(jobs):
        def measure(server):
            with peers.serving(server, image.path) as running:
                found = loads.measure(options, running, [reader, *jobs])["jobs"]
                row = {"p50": found[0]["p50_us"], "p99": found[0]["p99_us"], "ops": found[0]["ops_per_second"]}
                return row if len(found) == 1 else {**row, "other_mib": found[1]["mib_per_second"]}
        return measure

    return {name: loads.summary(in_turn(options, f"fairness, {name}", {s.name: s for s in servers}, one(jobs)), peers.BASE)
            for name, jobs in beside.items()}
