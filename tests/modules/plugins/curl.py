#!/usr/bin/env python3
"""The plugin curl in a server: over nginx, over a web server that lies in each way there is, and over ftp."""
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import time

import web

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "interop"))

from lib import config, figures, libnbd, ports, processes, tls  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.libnbd import nbd  # noqa: E402
from lib.processes import run  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

CHECK, MODULE = os.environ["ASHLAR_CHECK"], os.environ["ASHLAR_CURL"]
ROOT = pathlib.Path(__file__).resolve().parents[3]
IMAGE = "http://127.0.0.1:8080/disk.img"  # of the example
PATIENCE = 60  # seconds; only a failure takes so long
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl http2;
    ssl_certificate {certificates}/server-cert.pem;
    ssl_certificate_key {certificates}/server-key.pem;
    root {folder}/root;
    location /slow/ {{ alias {folder}/root/; limit_rate 2m; }}
    location /whole/ {{ alias {folder}/root/; max_ranges 0; }}
    location /down/ {{ return 302 http://127.0.0.1:{port}/disk.img; }}
    location /up/ {{ return 302 https://localhost:{tls_port}/disk.img; }}
    location /lies/ {{ proxy_pass http://127.0.0.1:{lies}/; proxy_http_version 1.1; proxy_buffering off; }}
  }}
}}
"""


def export(url, name="disk", **more):
    return {"name": name, "plugin": {"type": "curl", "url": url, "delay": "1ms", "times": 2, **more}}


class Curl(Case):
    def serving(self, handler):
        server = web.Quiet(handler)
        self.addCleanup(server.end)
        return server

    def liar(self):
        self.web = self.serving(web.Liar)
        return lambda way: f"http://127.0.0.1:{self.web.port}/{way}"

    def read(self, client, length, offset):
        return bytes(client.pread(length, offset))

    def assert_reads(self, name="disk", server=None, content=web.CONTENT):
        client = libnbd.connect((server or self.server).uri(name))
        self.assertEqual(client.get_size(), len(content))
        self.assertTrue(client.is_read_only())
        for offset, length in ((0, len(content)), (1, 4095), (len(content) - 1, 1), (70_000, 65_536)):
            self.assert_same(self.read(client, length, offset), content[offset:offset + length], f"{length}@{offset}")
        client.shutdown()

    def refused(self, one, **settings):
        """What `ashlar check` says of an export that cannot be opened."""
        file = self.write("refused.toml", config.toml([one], **settings))
        done = run(PROGRAM, "check", file, ok=False, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2, done.stdout)
        return done.stdout

    def metric(self, name, of):
        """Of an export."""
        return figures.module_total(self.folder / "metrics.sock", name, of)


class Lies(Curl):
    LIES = {"ignores": "ignores ranges", "shifts": "has answered with bytes 4608-8703", "shortens": "has answered with bytes 4096-8190",
            "sends-less": "has sent 4095 of 4096", "sends-nothing": "has sent 0 of 4096", "overfills": "more than the 4096 bytes",
            "overfills-chunked": "more than the 4096 bytes", "says-no-range": "without saying which",
            "says-two-ranges": "cannot be understood", "sends-parts": "without saying which", "changes": 'ETag was "one" and is "two"',
            "grows": "and has 1048577", "forgets": "is gone", "gone": "no such file", "cuts": "", "busy": "status 503", "cuts-chunked": "",
            "ends-early": "has sent 4095 of 4096"}

    def test_each_lie_is_an_error(self):
        """Also behind the lie all goes on, on the same connections."""
        url = self.liar()
        ways = {name.removeprefix("way_").replace("_", "-") for name in dir(web.Liar) if name.startswith("way_")}
        self.assertLessEqual(set(self.LIES), ways)
        self.server = self.serve([export(url("good")), *(export(url(way), way) for way in self.LIES)])
        for way, said in self.LIES.items():
            with self.subTest(way=way):
                client = libnbd.connect(self.server.uri(way))
                for _ in range(2):
                    with self.assertRaises(nbd.Error):
                        client.pread(4096, 4096)
                self.wait_until(f"the log tells of {way}", lambda: re.search(
                    rf"error.*/{way}: read 4096@4096 failed: .*{re.escape(said)}", self.server.log()))
                client.shutdown()
        self.assert_reads()

    def test_what_a_server_does_not_do_is_told_at_once(self):
        url = self.liar()
        self.assertIn("ignores ranges", self.refused(export(url("always-ignores"))))
        self.assertIn(f"{url('nothing')} cannot be opened: there is no such file", self.refused(export(url("nothing?key=secret"))))
        self.assertIn("status 403", self.refused(export(url("always-secret"))))

    def test_what_may_pass_is_tried_again(self):
        url = self.liar()
        self.server = self.serve([export(url("flaky"), times=3)])
        client = libnbd.connect(self.server.uri("disk"))
        self.assertEqual(self.read(client, 4096, 4096), web.CONTENT[4096:8192])
        self.assertEqual(self.web.times("/flaky", "bytes=4096-8191"), 4)
        client.shutdown()

    def test_a_server_says_when_to_come_again(self):
        """In seconds or as a date; no more than 60 s are waited for, and whose client has gone waits no longer."""
        url = self.liar()
        self.server = self.serve([export(url("later?1"), "soon"), export(url("later?Thu,%2001%20Jan%202015%2000:00:00%20GMT"), "past"),
                                  export(url("later?" + "9" * 15), "never")])
        for name, offset, said in (("soon", 4096, 1000), ("past", 8192, 1)):
            client = libnbd.connect(self.server.uri(name))
            self.assertEqual(self.read(client, 4096, offset), web.CONTENT[offset:offset + 4096])
            client.shutdown()
            self.assertIn(f"status 503); it is tried again in {said} ms", self.server.log())
        client = libnbd.connect(self.server.uri("never"))
        buffer = nbd.Buffer(4096)
        client.aio_pread(buffer, 16384)
        self.wait_until("the read waits", lambda: "it is tried again in 60000 ms" in self.server.log())
        del client
        self.wait_until("the export is closed", lambda: 'closed export "never"' in self.server.log())

    def test_answers_without_a_length(self):
        """Which end by themselves, or with the connection."""
        url = self.liar()
        self.server = self.serve([export(url(f"always-{name}"), name) for name in ("chunked", "closes")])
        self.assert_reads("chunked")
        self.assert_reads("closes")
        self.assertIn("does not say how long it is", self.refused(export(url("always-unsized"), times=0)))

    def test_no_more_than_ten_redirects(self):
        url = self.liar()
        self.server = self.serve([export(url("always-steps?10"))])
        self.assert_reads()
        before = self.web.times("/always-steps", "bytes=0-0")
        self.assertIn("Maximum (10) redirects", self.refused(export(url("always-steps?11"))))
        self.assertEqual(self.web.times("/always-steps", "bytes=0-0"), before + 11)

    def test_sizes(self):
        url = self.liar()
        self.server = self.serve([export(url("always-untold"), "untold"), export(url("always-empty"), "empty")])
        self.assert_reads("untold")
        self.assertEqual(libnbd.connect(self.server.uri("empty")).get_size(), 0)

    def test_access_and_redirects_and_a_proxy(self):
        url = self.liar()
        secret = self.write("header", "X-Two: 2")
        self.server = self.serve([
            export(url("always-secret"), "secret", token="open sesame", cookies="a=b; c=d", headers=["X-One: 1", {"file": str(secret)}]),
            export(url("always-login"), "login", user="me", password="pw"), export(url("always-redirects"), "redirects"),
            export("http://nowhere.invalid/always-proxied", "proxied", proxy=url("")[:-1], proxy_user="me", proxy_password="pw")])
        for name in ("secret", "login", "redirects", "proxied"):
            with self.subTest(name=name):
                self.assert_reads(name)
        self.assertNotIn("sesame", self.server.log())

    def test_another_server_is_not_told_secrets(self):
        """Cookies, token and password stay here on a redirect; where there are headers, it is refused."""
        other, url = self.serving(web.Liar), self.liar()
        self.web.elsewhere = f"http://127.0.0.1:{other.port}/good"
        away = url("always-elsewhere")
        self.server = self.serve([export(away, "cookies", cookies="a=b"), export(away, "token", token="t"),
                                  export(away, "user", user="me", password="pw")])
        for name in ("cookies", "token", "user"):
            self.assert_reads(name)
        self.assertEqual(other.secrets, set())
        self.assertEqual(self.web.secrets, {"Cookie", "Authorization"})
        seen = other.times("/good", "bytes=0-0")
        self.assertIn("leads to another one", self.refused(export(away, headers=["X-Key: sesame"])))
        self.assertEqual(other.times("/good", "bytes=0-0"), seen)

    def test_a_proxy_that_refuses(self):
        """At once, also by ftp; its page is no file."""
        url = self.liar()
        for of in ("ftp://nowhere.invalid/disk.img", "https://nowhere.invalid/disk.img"):
            self.assertIn("the proxy has answered with status 407", self.refused(export(of, proxy=url("")[:-1])))
        self.assertLessEqual(self.web.tunnels, 4)  # libcurl itself asks twice

    def test_opening_on_trial_is_repeated_once(self):
        url = self.liar()
        self.assertIn("status 503", self.refused(export(url("always-busy"), times=1000)))
        self.assertEqual(self.web.times("/always-busy", "bytes=0-0"), 2)

    def test_a_file_of_which_nothing_tells_versions_apart(self):
        url = self.liar()
        self.server = self.serve([export(url("always-nameless"))])
        self.assert_reads()
        self.assertRegex(self.server.log(), "warn.*neither a strong ETag nor a date")
        self.assertIn("neither how long the file is nor of which version", self.refused(export(url("always-nothing-told"))))

    def test_what_is_packed_is_refused(self):
        url = self.liar()
        self.assertIn("Content-Encoding: gzip", self.refused(export(url("always-packed"))))
        self.assertEqual(self.web.encodings, {"identity"})

    def test_ranges_that_are_refused(self):
        url = self.liar()
        self.assertIn("refuses ranges", self.refused(export(url("always-outside"))))

    def test_a_pipe_is_no_disk(self):
        os.mkfifo(self.folder / "pipe")
        self.assertIn("it is no regular file", self.refused(export(f"file://{self.folder}/pipe")))

    def test_secrets_and_queries_are_in_no_log(self):
        url = self.liar()
        self.server = self.serve([export(url("busy?key=hidden"), token="sesame", headers=["X-Key: sesame"], times=1)])
        client = libnbd.connect(self.server.uri("disk"))
        with self.assertRaises(nbd.Error):
            client.pread(4096, 4096)
        client.shutdown()
        self.wait_until("the log tells of it", lambda: "read 4096@4096 failed" in self.server.log())
        self.assertNotRegex(self.server.log(), "sesame|hidden")
        self.assertNotRegex(self.refused(export(url("nothing?key=hidden"), token="sesame")), "sesame|hidden")


class BootServer(Curl):
    """examples/boot-server."""

    def example(self, name):
        """Started, with the image of the web server here."""
        text = (ROOT / "examples" / "boot-server" / name).read_text()
        self.assertIn(IMAGE, text)
        self.server = self.serve_words([self.write(name, text.replace(IMAGE, f"http://127.0.0.1:{self.web.port}/good"))])

    def boot(self, mark):
        """Reads as a machine does, then writes `mark`, and shows what it has then at its first bytes."""
        machine = libnbd.connect(self.server.uri("machine"))
        for offset in (0, 512, 700_000, 4096, 300_000):
            self.assert_same(self.read(machine, 10_000, offset), web.CONTENT[offset:offset + 10_000])
        machine.pwrite(mark, 0)
        self.assertEqual(self.read(machine, len(mark), 0), mark)
        return machine

    def test_what_booting_reads_is_there_before_the_machines_come(self):
        self.liar()
        self.example("record.toml")
        self.boot(b"first").shutdown()
        self.server.stop()
        listed = run(PROGRAM, "trace", "prefetch", self.folder / "boot.trace")
        self.assertIn("\n696320 16384\n", listed)
        self.write("boot.list", listed)
        self.example("boot.toml")
        run(PROGRAM, "control", "--control", f"unix:{self.folder}/boot-control.sock", "machine/cache", "warm")
        before = self.web.reads()
        machines = [self.boot(mark) for mark in (b"one", b"two")]
        self.assertEqual([self.read(machine, 3, 0) for machine in machines], [b"one", b"two"])
        self.assertEqual(self.web.reads(), before)
        for machine in machines:
            machine.shutdown()


class Ends(Curl):
    def hanging(self, *names, **more):
        url = self.liar()
        self.server = self.serve([export(url("good")), *(export(url(name), name, **more) for name in names)])

    def test_a_server_that_stops_waits_for_no_web_server(self):
        self.hanging("hangs", "stalls")
        clients = [libnbd.connect(self.server.uri(way)) for way in ("hangs", "stalls")]
        buffers = [nbd.Buffer(4096) for _ in range(8)]
        for client in clients:
            for number, buffer in enumerate(buffers):
                client.aio_pread(buffer, 4096 * (number + 1))
            for _ in buffers:
                self.assertTrue(self.web.hung.acquire(timeout=PATIENCE))
        self.server.stop()

    def test_who_goes_away_leaves_no_connection_behind(self):
        self.hanging("hangs")
        client = libnbd.connect(self.server.uri("hangs"))
        buffer = nbd.Buffer(4096)
        client.aio_pread(buffer, 4096)
        self.assertTrue(self.web.hung.acquire(timeout=PATIENCE))
        del client
        self.wait_until("the export is closed", lambda: 'closed export "hangs"' in self.server.log())
        self.assert_reads()

    def test_silence_ends(self):
        self.hanging("stalls", timeout="1s", times=0)
        client = libnbd.connect(self.server.uri("stalls"))
        with self.assertRaises(nbd.Error):
            client.pread(4096, 4096)
        client.shutdown()


class Ftp(Curl):
    def test_ftp(self):
        self.web = self.serving(web.Ftp)
        url = f"ftp://127.0.0.1:{self.web.port}/disk.img"
        self.server = self.serve([export(url, user="me", password="pw")])
        self.assert_reads()
        self.assertIn("cannot be opened", self.refused(export(url, user="me", password="wrong", times=0)))

    def test_a_server_that_stops_waits_for_no_ftp_server(self):
        """Within libcurl, which waits for such an answer on the thread of all transfers."""
        self.web = self.serving(web.Ftp)
        self.server = self.serve([export(f"ftp://127.0.0.1:{self.web.port}/silent.img", user="me", password="pw")])
        client = libnbd.connect(self.server.uri("disk"))
        buffer = nbd.Buffer(4096)
        client.aio_pread(buffer, 4096)
        self.assertTrue(self.web.hung.acquire(timeout=PATIENCE))
        self.server.stop()

    def test_ftps_does_not_send_the_file_in_clear_text(self):
        self.web = self.serving(web.Ftps.of(tls.folder() / "server"))
        url = f"ftps://localhost:{self.web.port}/disk.img"
        said = self.refused(export(url, user="me", password="pw", times=0, ca=str(tls.folder() / "ca-cert.pem")))
        self.assertIn("cannot be opened", said)
        self.assertIn("SSL", said)


class Nginx(Curl):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        (self.folder / "root").mkdir()
        self.content = random.Random(15).randbytes(3_000_001)
        (self.folder / "root" / "disk.img").write_bytes(self.content)
        self.liar()
        for _ in range(20):  # ports that are free now, and may be taken before nginx has them
            if self.start():
                return
        self.fail((self.folder / "error.log").read_text())

    def start(self):
        self.port, self.tls_port = ports.free(), ports.free()
        file = self.write("nginx.conf", NGINX.format(folder=self.folder, port=self.port, tls_port=self.tls_port, lies=self.web.port,
                                                     certificates=tls.folder() / "server"))
        nginx = processes.start([shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-c", file, "-e", self.folder / "error.log"],
                                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)
        end = time.monotonic() + PATIENCE
        while nginx.poll() is None and time.monotonic() < end:
            try:
                for port in (self.port, self.tls_port):  # it opens one after the other, and ends if one is not to be had
                    socket.create_connection(("127.0.0.1", port)).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False

    def url(self, secure=True, path="disk.img"):
        return f"https://localhost:{self.tls_port}/{path}" if secure else f"http://127.0.0.1:{self.port}/{path}"

    def secure(self, name="disk", path="disk.img", **more):
        return export(self.url(path=path), name, ca=str(tls.folder() / "ca-cert.pem"), **more)

    def test_clients(self):
        self.server = self.serve([self.secure(), export(self.url(False), "plain"), export(self.url(False, "slow/disk.img"), "slow")])
        self.assert_reads(content=self.content)
        self.assert_reads("plain", content=self.content)
        copy = self.folder / "copy.img"
        run("nbdcopy", self.server.uri("disk"), copy)
        self.assert_same(copy.read_bytes(), self.content, "what nbdcopy has copied")
        for name in ("plain", "slow") if shutil.which("qemu-img") else ():
            run("qemu-img", "compare", "-f", "raw", "-F", "raw", self.server.uri(name), copy)
        run("fio", "--name=read", "--ioengine=nbd", f"--uri={self.server.uri('disk')}", "--rw=randread", "--bs=4k", "--iodepth=32",
            "--size=2m", "--randrepeat=0")

    def test_random_reads(self):
        """Of any offset and length, many at once."""
        self.server = self.serve([self.secure(), export(self.url(False), "plain")])
        chance = random.Random(16)
        for name in ("disk", "plain"):
            client = libnbd.connect(self.server.uri(name))
            waiting = {}
            for _ in range(2000):
                while len(waiting) == 16:
                    client.poll(-1)
                    self.look_at_those_that_are_done(client, waiting)
                offset = chance.randrange(len(self.content))
                length = min(chance.choice((1, 512, 4096, 60_000)) + chance.randrange(512), len(self.content) - offset)
                buffer = nbd.Buffer(length)
                waiting[client.aio_pread(buffer, offset)] = (offset, buffer)
            while waiting:
                client.poll(-1)
                self.look_at_those_that_are_done(client, waiting)
            client.shutdown()

    def look_at_those_that_are_done(self, client, waiting):
        for cookie in [cookie for cookie in waiting if client.aio_command_completed(cookie)]:
            offset, buffer = waiting.pop(cookie)
            self.assert_same(bytes(buffer.to_bytearray()), self.content[offset:offset + buffer.size()], f"{buffer.size()}@{offset}")

    def test_from_https_only_to_https(self):
        self.server = self.serve([self.secure("up", "up/"),
                                  export(self.url(False, "up/"), "in", ca=str(tls.folder() / "ca-cert.pem"))])
        self.assert_reads("up", content=self.content)
        self.assert_reads("in", content=self.content)
        self.assertIn("the server leads to http://, and ashlar follows redirects from https only to https",
                      self.refused(self.secure(path="down/")))

    def test_a_request_that_is_silent_ends_and_no_other_of_its_connection(self):
        """Of HTTP/2. The next try has a connection of its own."""
        self.server = self.serve([self.secure(path="lies/sleeps", timeout="1s", times=1),
                                  self.secure("never", "lies/hangs", timeout="1s", times=0)],
                                 metrics=f"unix:{self.folder}/metrics.sock")
        client = libnbd.connect(self.server.uri("disk"))
        silent = nbd.Buffer(4096)
        cookie = client.aio_pread(silent, 4096)
        self.assertTrue(self.web.hung.acquire(timeout=PATIENCE))
        self.assertEqual(self.read(client, 65_536, 100_000), web.CONTENT[100_000:165_536])
        self.assertEqual(self.metric("connects", "disk"), 1)
        while not client.aio_command_completed(cookie):
            client.poll(-1)
        self.assert_same(bytes(silent.to_bytearray()), web.CONTENT[4096:8192])
        self.assertEqual(self.metric("connects", "disk"), 2)
        client.shutdown()
        client = libnbd.connect(self.server.uri("never"))
        with self.assertRaises(nbd.Error):
            client.pread(4096, 4096)
        client.shutdown()
        self.wait_until("the log tells why", lambda: re.search("hangs: read 4096@4096 failed: Operation t", self.server.log()))

    def test_many_requests_share_few_connections(self):
        self.server = self.serve([self.secure(), export(self.url(False), "plain", connections=3)],
                                 metrics=f"unix:{self.folder}/metrics.sock")
        for name, most in (("disk", 1), ("plain", 3)):
            client = libnbd.connect(self.server.uri(name))
            buffers = [nbd.Buffer(4096) for _ in range(64)]
            cookies = [client.aio_pread(buffer, 4096 * number) for number, buffer in enumerate(buffers)]
            while client.aio_in_flight():
                client.poll(-1)
            for number, (cookie, buffer) in enumerate(zip(cookies, buffers)):
                self.assertTrue(client.aio_command_completed(cookie))
                self.assert_same(bytes(buffer.to_bytearray()), self.content[4096 * number:4096 * (number + 1)])
            client.shutdown()
            self.assertLessEqual(self.metric("connects", name), most)

    def test_a_file_that_changes_is_an_error_until_the_export_has_changed_or_the_server_is_started_anew(self):
        """Also for clients that come later: layers above may keep bytes of the old one."""
        more = {"listen": [f"unix:{self.folder}/0.sock"], "control": f"unix:{self.folder}/control.sock"}
        self.server = self.serve([self.secure()], **more)
        client = libnbd.connect(self.server.uri("disk"))
        self.read(client, 4096, 0)
        other = bytes(reversed(self.content))
        (self.folder / "root" / "new").write_bytes(other)
        os.utime(self.folder / "root" / "new", (1, 1))  # nginx makes its ETag of the date
        (self.folder / "root" / "new").rename(self.folder / "root" / "disk.img")
        with self.assertRaises(nbd.Error):
            client.pread(4096, 0)
        client.shutdown()
        with self.assertRaises(nbd.Error):
            libnbd.connect(self.server.uri("disk"))
        self.wait_until("the log tells why", lambda: re.search(
            "the file has changed: its ETag was .*; the export keeps to the file that it began with", self.server.log()))
        self.assertIn("change a parameter, such as times, and run ashlar reload, or restart the server", self.server.log())
        run(PROGRAM, "reload", "--control", more["control"])
        with self.assertRaises(nbd.Error):
            libnbd.connect(self.server.uri("disk"))
        self.write("0.toml", config.toml([self.secure(times=3)], **more))
        run(PROGRAM, "reload", "--control", more["control"])
        self.assert_reads(content=other)
        self.server.stop()
        self.server = self.serve([self.secure()])
        self.assert_reads(content=other)

    def test_who_is_not_trusted_is_refused(self):
        own = tls.folder() / "other"
        if not own.exists():
            tls.make(own, "--server", "localhost")
        self.assertIn("certificate", self.refused(export(self.url(), ca=str(own / "ca-cert.pem"), times=0)))
        self.assertIn("certificate", self.refused(export(self.url(), times=0)))
        self.assertIn("ignores ranges", self.refused(export(self.url(False, "whole/disk.img"))))

    if os.environ.get("ASHLAR_SANITIZE") != "thread":  # with it modules are slower than ashlar-check lets them be
        def test_the_promises_of_a_module(self):
            done = subprocess.run([CHECK, MODULE, f"url={self.url()}", f"ca={tls.folder()}/ca-cert.pem"],
                                  capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    main(needs=["nginx", "nbdcopy", "fio"], at_once=True)
