"""A page in headless Chromium, driven over the DevTools protocol."""

import base64
import json
import os
import socket
import struct
import subprocess
import time
import urllib.request

from . import processes

# Not the script of that name in /usr/bin, which starts this one and does not pass on the signal that ends it.
PROGRAM = "/usr/lib/chromium/chromium-headless-shell"


class Wire:
    """A WebSocket to the browser: text messages there and back, and nothing more of RFC 6455."""

    def __init__(self, url):
        host, path = url.removeprefix("ws://").split("/", 1)
        name, port = host.split(":")
        self.socket = socket.create_connection((name, int(port)), timeout=300)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        assert b"101" in self.file.readline()
        while self.file.readline().strip():
            pass

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size) if size < 65536 else \
            b"\xff" + struct.pack(">Q", size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self.socket.sendall(b"\x81" + length + mask + masked)

    def receive(self):
        whole = b""
        while True:
            first, second = self.file.read(2)
            size = second & 0x7F
            if size == 126:
                size, = struct.unpack(">H", self.file.read(2))
            elif size == 127:
                size, = struct.unpack(">Q", self.file.read(8))
            whole += self.file.read(size)
            if first & 0x80:
                return whole.decode()


class Browser:
    """One page. `told`: what it wrote to the console or threw; `asked`: what it asked of the network."""

    def __init__(self, folder, width=1240, height=1000, dark=False):
        self.told, self.asked, self.last, self.wire = [], [], 0, None
        self.process = processes.start(
            [PROGRAM, "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}/browser",
             f"--window-size={width},{height}", "--hide-scrollbars", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = f"{folder}/browser/DevToolsActivePort"
        try:
            for _ in range(6000):
                port = self._port(port_file)
                if port:
                    break
                assert self.process.poll() is None, "the browser has ended"
                time.sleep(0.02)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=300) as answer:
                page = next(one for one in json.load(answer) if one["type"] == "page")
            self.wire = Wire(page["webSocketDebuggerUrl"])
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            self.call("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _port(path):
        """The port that the browser listens on; "": it has not told yet."""
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as file:
            words = file.read().split()
        return words[0] if len(words) == 2 else ""

    def close(self):
        if self.wire:
            self.wire.file.close()
            self.wire.socket.close()
        self.process.terminate()  # so that it ends its own processes
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _take(self):
        message = json.loads(self.wire.receive())
        method, params = message.get("method"), message.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.told.append(json.dumps(params)[:2000])
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        return message

    def call(self, method, **params):
        self.last += 1
        number = self.last
        self.wire.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = self._take()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def value(self, expression):
        """What an expression of JavaScript is, awaited if it is a promise."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, expression):
        for _ in range(6000):
            if self.value(expression):
                return
            time.sleep(0.02)
        raise AssertionError(f"does not come: {expression}")

    def open(self, path):
        self.call("Page.navigate", url=f"file://{path}")
        self.until("document.readyState === 'complete' && document.documentElement.dataset.drawn === 'yes'")

    def drag(self, x1, y1, x2, y2):
        mouse = {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x1, y=y1)
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x1, y=y1, **mouse)
        for step in range(1, 6):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x1 + (x2 - x1) * step / 5,
                      y=y1 + (y2 - y1) * step / 5, button="left", buttons=1)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x2, y=y2, **mouse)

    def screenshot(self, path, whole=True):
        done = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(done["data"]))
