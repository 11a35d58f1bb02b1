"""Servers for the tests of the plugin curl: one that lies about a file, by http, and one that tells the truth, by ftp."""

import base64
import http.server
import re
import socket
import socketserver
import ssl
import threading
from urllib.parse import unquote

SIZE = 1 << 20
CONTENT = bytes((i * 7 + (i >> 8) * 13) % 256 for i in range(SIZE))
ETAG = '"one"'


class Liar(http.server.BaseHTTPRequestHandler):
    """Each path is a way to answer; the first byte alone, by which a disk is opened, always comes as it should."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = re.sub(r"^http://[^/]*", "", self.path).split("?")[0]  # to a proxy the whole URL is sent
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.server.note(path, self.headers)
        self.server.encodings.add(self.headers.get("Accept-Encoding"))
        self.server.secrets.update(name for name in ("Cookie", "Authorization", "X-Key") if name in self.headers)
        first, last = (int(asked[1]), int(asked[2])) if asked else (0, SIZE - 1)
        way = getattr(self, "way_" + path.strip("/").replace("-", "_"), None)
        if way is None:
            return self.answer(404, b"no such file")
        if (first, last) == (0, 0) and not path.startswith("/always-"):
            return self.part(0, 0)
        return way(first, last)

    def do_CONNECT(self):
        self.server.tunnels += 1
        self.answer(407, b"", ("Proxy-Authenticate", 'Basic realm="x"'))

    def do_HEAD(self):
        self.send_response(200)
        if self.path == "/always-unsized":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(SIZE))
        self.end_headers()

    def answer(self, status, body, *fields, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, first, last, told=None, body=None, total=SIZE, etag=ETAG, length=None):
        fields = [("Content-Range", told or f"bytes {first}-{last}/{total}")]
        if etag:
            fields.append(("ETag", etag))
        self.answer(206, CONTENT[first:last + 1] if body is None else body, *fields, length=length)

    def without_length(self, first, last, *fields):
        self.send_response(206)
        for name, value in (("Content-Range", f"bytes {first}-{last}/{SIZE}"), ("ETag", ETAG), *fields):
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, body):
        self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")

    def cut(self):
        self.wfile.flush()
        self.close_connection = True

    # The lies.
    def way_ignores(self, first, last):
        self.answer(200, CONTENT, ("ETag", ETAG))

    def way_always_ignores(self, first, last):
        self.answer(200, CONTENT, ("ETag", ETAG))

    def way_shifts(self, first, last):
        self.part(first + 512, last + 512)

    def way_shortens(self, first, last):
        self.part(first, last - 1)

    def way_sends_less(self, first, last):
        self.part(first, last, body=CONTENT[first:last])

    def way_sends_nothing(self, first, last):
        self.part(first, last, body=b"")

    def way_overfills(self, first, last):
        self.part(first, last, body=CONTENT[first:last + 1] + b"more")

    def way_overfills_chunked(self, first, last):
        self.without_length(first, last, ("Transfer-Encoding", "chunked"))
        self.chunk(CONTENT[first:last + 1] + bytes(4096))
        self.chunk(b"")

    def way_cuts_chunked(self, first, last):
        """Between two chunks."""
        self.without_length(first, last, ("Transfer-Encoding", "chunked"))
        self.chunk(CONTENT[first:(first + last) // 2])
        self.cut()

    def way_ends_early(self, first, last):
        """The end of the connection is the end of the bytes."""
        self.without_length(first, last, ("Connection", "close"))
        self.wfile.write(CONTENT[first:last])

    def way_says_no_range(self, first, last):
        self.answer(206, CONTENT[first:last + 1], ("ETag", ETAG))

    def way_says_two_ranges(self, first, last):
        self.answer(206, CONTENT[first:last + 1], ("ETag", ETAG), ("Content-Range", f"bytes {first}-{last}/{SIZE}"),
                    ("Content-Range", f"bytes 0-{last - first}/{SIZE}"))

    def way_sends_parts(self, first, last):
        body = b"--x\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (first, last, SIZE) + CONTENT[first:last + 1] + b"\r\n--x--\r\n"
        self.answer(206, body, ("Content-Type", "multipart/byteranges; boundary=x"), ("ETag", ETAG))

    def way_changes(self, first, last):
        self.part(first, last, etag='"two"')

    def way_grows(self, first, last):
        self.part(first, last, total=SIZE + 1)

    def way_forgets(self, first, last):
        self.part(first, last, etag=None)

    def way_gone(self, first, last):
        self.answer(404, b"")

    def way_cuts(self, first, last):
        self.part(first, last, body=CONTENT[first:(first + last) // 2], length=last - first + 1)
        self.cut()

    def way_busy(self, first, last):
        self.answer(503, b"busy" * 1000)

    # No lies, but trouble.
    def way_good(self, first, last):
        self.part(first, last)

    def way_always_untold(self, first, last):
        self.part(first, last, total="*")

    def way_always_empty(self, first, last):
        self.answer(416, b"", ("Content-Range", "bytes */0"))

    def way_always_chunked(self, first, last):
        self.without_length(first, last, ("Transfer-Encoding", "chunked"))
        for at in range(first, last + 1, 1000):
            self.chunk(CONTENT[at:min(at + 1000, last + 1)])
        self.chunk(b"")

    def way_always_closes(self, first, last):
        self.without_length(first, last, ("Connection", "close"))
        self.wfile.write(CONTENT[first:last + 1])

    def way_always_unsized(self, first, last):
        self.part(first, last, total="*")

    def way_always_steps(self, first, last):
        """As many redirects as the query says."""
        left = int(self.path.partition("?")[2])
        if left == 0:
            return self.part(first, last)
        return self.answer(302, b"", ("Location", f"/always-steps?{left - 1}"))

    def way_always_redirects(self, first, last):
        self.answer(302, b"elsewhere", ("Location", "/good"))

    def way_always_elsewhere(self, first, last):
        self.answer(302, b"elsewhere", ("Location", self.server.elsewhere))

    def way_always_busy(self, first, last):
        self.answer(503, b"later")

    def way_always_nameless(self, first, last):
        self.part(first, last, etag=None)

    def way_always_nothing_told(self, first, last):
        self.part(first, last, etag=None, total="*")

    def way_always_outside(self, first, last):
        self.answer(416, b"")

    def way_always_packed(self, first, last):
        told = f"bytes {first}-{last}/{SIZE}"
        self.answer(206, CONTENT[first:last + 1], ("Content-Range", told), ("ETag", ETAG), ("Content-Encoding", "gzip"))

    def way_flaky(self, first, last):
        """503 first, then parts of what was asked for, then all."""
        ways = (lambda *_: self.answer(503, b"later", ("Retry-After", "0")), self.way_cuts, self.way_ends_early, self.part)
        return ways[self.server.times("/flaky", self.headers["Range"]) - 1](first, last)

    def way_later(self, first, last):
        """Once for each range; when to come again, the query says."""
        if self.server.times("/later", self.headers["Range"]) == 1:
            return self.answer(503, b"later", ("Retry-After", unquote(self.path.partition("?")[2])))
        return self.part(first, last)

    def way_sleeps(self, first, last):
        """Each first time for what lies in the first 64 KiB, and for good."""
        if first < 65536 and self.server.times("/sleeps", self.headers["Range"]) == 1:
            return self.way_hangs(first, last)
        return self.part(first, last)

    def way_always_secret(self, first, last):
        wanted = {"Authorization": "Bearer open sesame", "Cookie": "a=b; c=d", "X-One": "1", "X-Two": "2"}
        if {name: self.headers.get(name) for name in wanted} != wanted:
            return self.answer(403, b"go away")
        return self.part(first, last)

    def way_always_login(self, first, last):
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:pw").decode():
            return self.answer(401, b"", ("WWW-Authenticate", 'Basic realm="x"'))
        return self.part(first, last)

    def way_always_proxied(self, first, last):
        if self.headers.get("Proxy-Authorization") != "Basic " + base64.b64encode(b"me:pw").decode() or not self.path.startswith("http://"):
            return self.answer(407, b"", ("Proxy-Authenticate", 'Basic realm="x"'))
        return self.part(first, last)

    def way_hangs(self, first, last):
        self.server.hung.release()
        self.server.ends.wait()
        self.close_connection = True

    def way_stalls(self, first, last):
        self.part(first, last, body=CONTENT[first:first + 100], length=last - first + 1)
        self.wfile.flush()
        self.way_hangs(first, last)

    def log_message(self, *words):
        pass


class Quiet(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread for each connection, all of which end with the test."""

    allow_reuse_address = daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.hung = threading.Semaphore(0)  # once for each request that hangs
        self.ends = threading.Event()
        self._lock, self._seen, self.connections = threading.Lock(), [], 0
        self.elsewhere = None  # where to redirect to
        self.secrets, self.encodings, self.tunnels = set(), set(), 0  # what was sent
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def note(self, path, headers):
        with self._lock:
            self._seen.append((path, headers.get("Range")))

    def times(self, path, asked):
        """How often that range was asked for."""
        with self._lock:
            return self._seen.count((path, asked))

    def reads(self):
        """How many there were of bytes of a disk that was open."""
        with self._lock:
            return sum(asked != "bytes=0-0" for _, asked in self._seen)

    def handle_error(self, request, address):
        pass  # clients go away

    def end(self):
        self.ends.set()
        self.shutdown()
        self.server_close()


class Ftp(socketserver.StreamRequestHandler):
    """As much of RFC 959 as is needed to read a file. Of silent.img it never says that all has been sent."""

    def handle(self):
        rest, listener = 0, None
        self.say("220 ready")
        for line in self.rfile:
            word, _, argument = line.decode().strip().partition(" ")
            word = word.upper()
            if word == "USER":
                self.say("331 password?")
            elif word == "PASS":
                self.say("230 in" if argument == "pw" else "530 no")
            elif word == "PWD":
                self.say('257 "/"')
            elif word in ("TYPE", "CWD"):
                self.say("200 ok")
            elif word == "MDTM":
                self.say("213 20261127090000")
            elif word == "SIZE":
                self.say(f"213 {SIZE}")
            elif word == "REST":
                rest = int(argument)
                self.say("350 from there")
            elif word == "EPSV":
                listener = socket.create_server(("127.0.0.1", 0))
                self.say(f"229 passive (|||{listener.getsockname()[1]}|)")
            elif word == "RETR":
                self.say("150 here it comes")
                with listener.accept()[0] as data:
                    try:
                        data.sendall(CONTENT[rest:])
                        said = "226 that was it"
                    except OSError:
                        said = "426 broken off"
                listener.close()
                if argument == "silent.img":
                    self.server.hung.release()
                    self.server.ends.wait()
                    return
                self.say(said)
            elif word == "QUIT":
                self.server.ends.wait()  # says no farewell
                return
            else:
                self.say("502 what?")

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")


class Ftps(Ftp):
    """By TLS, but for what is sent of the file (it knows no PROT)."""

    @classmethod
    def of(cls, certificates):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server-cert.pem", certificates / "server-key.pem")
        return type("Ftps", (cls,), {"context": context})

    def setup(self):
        self.request = self.context.wrap_socket(self.request, server_side=True)
        super().setup()
