#!/usr/bin/env python3
"""The plugin rbd over a Ceph of its own. Words: names of tests, such as disks.Disks.test_maps; without: all."""

import signal
import sys
import unittest

import cluster
import frame  # noqa: F401  (finds the tests' library)
from lib.case import SKIPPED, skip

FILES = ("disks", "doors", "kills", "machines", "outages", "users")


def main():
    if lacking := cluster.missing_programs():
        skip(f"needs {', '.join(lacking)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = [word for word in sys.argv[1:] if not word.startswith("-")] or FILES
    try:
        result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(names))
    finally:
        frame.Shared.stop()
    sys.exit(1 if not result.wasSuccessful() else SKIPPED if result.skipped else 0)


if __name__ == "__main__":
    main()
