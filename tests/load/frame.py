"""The frame of the load tests: that of the misuse tests, which also sees to it that memory and descriptors are back afterwards."""

import os
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "misuse"))

from household import (  # noqa: E402,F401
    MEMORY_SLACK, MIB, PATIENCE, SANITIZED, SIZE, TRANSPORT, Case, Household, config, main, pattern, processes, wire)
from lib.server import Server  # noqa: E402,F401

BENCH_LOAD = os.environ.get("ASHLAR_BENCH_LOAD") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build" / "tests" / "ashlar-bench-load")
SLOW = os.environ.get("ASHLAR_SLOW", "")  # the module tests/stop/slow.cpp


class Watch(threading.Thread):
    """The most memory that a server has had while it was watched, in bytes."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self._over = pid, 0, threading.Event()

    def look(self):
        self.most = max(self.most, processes.resident_bytes(self.pid))

    def run(self):
        while not self._over.wait(0.02):
            self.look()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self.join()
        self.look()
