#!/usr/bin/env python3
"""Warnings of a module that come again and again."""
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import memory_export  # noqa: E402

RECORDER = os.environ["ASHLAR_RECORDER"]
PATIENCE = 60  # seconds; the number is told after ten


class Repeats(Case):
    def test_they_are_counted_and_told_though_no_further_one_comes(self):
        server = self.serve([memory_export("1M", filters=[{"type": RECORDER, "label": "x", "warns": True}])])
        client = libnbd.connect(server.uri())
        for _ in range(100):
            client.flush()
        end = time.monotonic() + PATIENCE
        while self.told(server.log()) < 100:
            self.assertLess(time.monotonic(), end, "the number is not told")
            time.sleep(0.1)
        client.shutdown()
        server.stop()
        self.assertEqual(self.told(server.log()), 100)

    @staticmethod
    def told(log):
        """Of how many flushes there is a line or a number."""
        numbers = re.findall(r"call enter flush x(?: \((\d+) more like it within \d+ s\))?$", log, re.MULTILINE)
        return sum(int(number or 1) for number in numbers)


if __name__ == "__main__":
    main()
