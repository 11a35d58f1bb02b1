"""What /metrics tells: the figures are right, in both formats, and hostile requests hurt nobody."""

import os
import pathlib
import re
import socket
import struct
import subprocess

from frame import MIB, Running, libnbd, main, wire  # first: it finds lib
from lib import tls

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Figures(Running):
    def value(self, name, **labels):
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return self.figures().get(f"{name}{{{text}}}" if text else name)

    def test_requests_bytes_and_errors_are_counted(self):
        client = self.client()
        for i in range(5):
            self.assertEqual(len(client.ask(wire.CMD_READ, i * 4096, 4096)), 4096)
        client.request(wire.CMD_READ, 16 * MIB, 512, cookie=1)
        self.assertEqual(client.simple_reply(0, 1)[0], 22)
        client.request(77, 0, 512, cookie=2)
        self.assertEqual(client.simple_reply(0, 2)[0], 22)
        self.wait_until("all are counted", lambda: self.value("ashlar_requests_total", export="disk", op="read") == 6 and
                        self.value("ashlar_requests_total", export="disk", op="other") == 1 and
                        self.value("ashlar_requests_in_flight", export="disk") == 0)
        figures = self.figures()
        self.assertEqual(figures['ashlar_request_bytes_total{export="disk",op="read"}'], 5 * 4096)
        self.assertEqual(figures['ashlar_request_errors_total{export="disk",op="read",error="EINVAL"}'], 1)
        self.assertEqual(figures['ashlar_request_errors_total{export="disk",op="other",error="EINVAL"}'], 1)
        self.assertEqual(figures['ashlar_request_duration_seconds_count{export="disk",op="read"}'], 6)
        self.assertEqual(figures['ashlar_request_size_bytes_sum{export="disk",op="read"}'], 5 * 4096 + 512)
        self.assertEqual(figures['ashlar_request_size_bytes_bucket{export="disk",op="read",le="512"}'], 1)
        self.assertEqual(figures['ashlar_request_size_bytes_bucket{export="disk",op="read",le="4096"}'], 6)
        self.assertEqual(figures['ashlar_connections{export="disk"}'], 1)
        self.assertEqual(figures['ashlar_requests_in_flight{export="disk"}'], 0)
        self.assertGreater(figures['ashlar_request_duration_seconds_sum{export="disk",op="read"}'], 0)

    def test_they_agree_with_status_and_with_who_has_asked(self):
        sent = self.load("op=randread,block=4K,depth=32", 2)
        sent += self.load("op=write,block=256K,depth=4") + self.load("op=randwrite,block=4K,depth=8")
        self.wait_until("all clients are gone", lambda: self.status()["connections"] == 0)
        figures, told = self.figures(), self.export()
        for op, requests in told["ops"].items():
            self.assertEqual(figures[f'ashlar_requests_total{{export="disk",op="{op}"}}'], requests)
        self.assertEqual(told["ops"]["read"] + told["ops"]["write"], sent)
        self.assertEqual(sum(figures[f'ashlar_request_bytes_total{{export="disk",op="{op}"}}'] for op in told["ops"]), told["bytes"])

    def test_buckets_rise_and_end_with_all(self):
        client = self.client()
        for length in (512, 4096, 65536):
            client.ask(wire.CMD_READ, 0, length)
        self.wait_until("all are counted", lambda: self.value("ashlar_requests_total", export="disk", op="read") == 3)
        for name in ("ashlar_request_duration_seconds", "ashlar_request_size_bytes"):
            of_one = [value for key, value in self.figures().items() if key.startswith(name + '_bucket{export="disk",op="read"')]
            self.assertEqual(of_one, sorted(of_one))
            self.assertEqual(of_one[-1], 3)

    def test_the_readme_names_all_there_are(self):
        self.client()
        readme = (ROOT / "host" / "metrics" / "README.md").read_text()
        described = {name for name in re.findall(r"^\| `(ashlar_\w+)`", readme, re.MULTILINE) if not name.startswith("ashlar_module_")}
        told = {re.sub(r"_(bucket|sum|count)$", "", key.split("{")[0]) for key in self.figures()}
        self.assertEqual(told, described)


class Waiting(Running):
    def exports(self):
        self.gate = self.folder / "gate"  # a read does not return while it is there
        hanger = {"type": os.environ["ASHLAR_HANGER_PLUGIN"], "in": "read", "gate": str(self.gate)}
        return [{"name": "slow", "plugin": hanger}]

    def test_workers_and_who_waits_for_them(self):
        client = self.client("slow")
        self.gate.touch()
        self.addCleanup(self.gate.unlink, missing_ok=True)
        figures = self.figures()
        self.assertEqual([figures[f"ashlar_{name}"] for name in ("workers", "workers_busy", "requests_waiting")], [1, 0, 0])
        for cookie in range(3):
            client.request(wire.CMD_READ, 0, 512, cookie=cookie)
        self.wait_until("one runs and two wait",
                        lambda: [self.figures()[f"ashlar_{name}"] for name in ("workers_busy", "requests_waiting")] == [1, 2])
        self.gate.unlink()
        client.receive(3 * (16 + 512))
        self.wait_until("none waits", lambda: [self.figures()[f"ashlar_{name}"] for name in ("workers_busy", "requests_waiting")] == [0, 0])

    settings = {"workers": 1}


class Zeroing(Running):
    def zero(self, export, times, flags=0):
        client = libnbd.connect(self.server.uri(export))
        self.addCleanup(client.shutdown)
        for i in range(times):
            client.zero(4096, i * 65536, flags)

    def calls(self, export):
        """{"zero_punch_hole_ok": 3, ...} of all layers of the export."""
        pattern = re.compile(rf'ashlar_module_((?:zero|trim)_\w+)_total{{export="{export}",.*}}')
        return {found[1]: value for key, value in self.figures().items() if (found := pattern.fullmatch(key)) and value}

    def test_methods_and_outcomes_are_counted(self):
        self.assertEqual(self.calls("memory"), {})
        self.zero("memory", 3)
        self.assertEqual(self.calls("memory"), {"zero_punch_hole_ok": 3})
        self.zero("memory", 2, libnbd.nbd.CMD_FLAG_NO_HOLE)  # memory has neither WRITE_ZEROES nor ZERO_RANGE
        self.assertEqual(self.calls("memory"), {"zero_punch_hole_ok": 3, "zero_write_zeroes_refused": 1, "zero_zero_range_refused": 1,
                                                "zero_punch_and_allocate_ok": 2})
        self.assertEqual(self.calls("disk"), {})


class LeftToWriting(Zeroing):
    within = [os.environ["ASHLAR_REFUSE"], "fallocate", "--"]

    def test_methods_and_outcomes_are_counted(self):
        self.zero("memory", 3)
        found = self.calls("memory")
        self.assertEqual(found.pop("zero_left_to_writing_bytes"), 3 * 4096)
        self.assertEqual(set(found.values()), {1})
        self.assertTrue(all(name.endswith("_refused") for name in found), found)


class Tls(Running):
    def test_handshakes_and_failures_are_counted(self):
        libnbd.connect(self.server.uri("disk", "tls")).shutdown()
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(60)
            peer.connect(str(self.server.socket))
            peer.recv(18, socket.MSG_WAITALL)
            peer.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 5, 0))  # STARTTLS
            peer.recv(20, socket.MSG_WAITALL)
            peer.sendall(b"no TLS at all")
            while peer.recv(4096):
                pass
        self.wait_until("the failure is counted", lambda: self.figures()["ashlar_tls_handshake_failures_total"] == 1)
        self.assertEqual(self.figures()["ashlar_tls_handshakes_total"], 1)

    @property
    def settings(self):
        return {"tls": tls.settings()}


class Formats(Running):
    def test_promtool_finds_nothing_wrong(self):
        self.client().ask(wire.CMD_READ, 0, 512)
        _, head, body = self.get("/metrics")
        self.assertIn("text/plain; version=0.0.4", head)
        done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_open_metrics_is_told_who_asks_for_it(self):
        _, head, body = self.get("/metrics", "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        self.assertIn("application/openmetrics-text; version=1.0.0", head)
        self.assertTrue(body.endswith("# EOF\n"))
        self.assertIn("# TYPE ashlar_requests counter\n", body)

    def test_an_export_by_an_odd_name(self):
        _, _, body = self.get("/metrics")
        self.assertIn(r'export="q\"\\uote"', body)

    def exports(self):
        odd = [{"name": 'q"\\uote', "plugin": {"type": "null", "size": "1M"}}] if "odd" in self._testMethodName else []
        return super().exports() + odd


class Requests(Running):
    def test_what_is_asked_is_answered(self):
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics?x=1", 200), ("/", 404), ("/metricsx", 404)):
            with self.subTest(path=path):
                self.assertEqual(self.get(path)[0], status)
        code, head, _ = self.http(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(code, 405)
        self.assertIn("\r\nAllow: GET, HEAD", head)  # (RFC 9110, 15.5.6)
        status, head, body = self.http(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertEqual((status, body), (200, ""))
        self.assertIn("Content-Length: 3", head)

    def test_what_is_no_request_ends_its_connection_alone(self):
        for text in (b"\x00" * 100, b"GET\r\n\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
                     b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"):
            with self.subTest(text=text[:40]):
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.settimeout(60)
                    peer.connect(str(self.metrics))
                    try:
                        peer.sendall(text)
                        while peer.recv(1 << 16):
                            pass
                    except OSError:
                        pass  # it hung up before all was sent
        self.assertEqual(self.get("/healthz")[0], 200)

    def test_many_silent_connections_hold_up_nobody(self):
        silent = []
        for _ in range(100):
            silent.append(socket.socket(socket.AF_UNIX))
            silent[-1].connect(str(self.metrics))
        try:
            self.assertEqual(self.get("/metrics")[0], 200)
        finally:
            for peer in silent:
                peer.close()

    def test_one_connection_may_ask_again(self):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(60)
            peer.connect(str(self.metrics))
            for _ in range(3):
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = b""
                while not answer.endswith(b"\r\n\r\nok\n"):
                    part = peer.recv(4096)
                    self.assertTrue(part)
                    answer += part


if __name__ == "__main__":
    main(needs=["promtool"])
