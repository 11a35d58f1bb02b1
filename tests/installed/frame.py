"""Where the tests here find the others' library, the tree and the build."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from lib.case import Case, main  # noqa: E402, F401
from lib.images import MIB  # noqa: E402, F401
from lib.processes import run  # noqa: E402, F401
from lib.server import PROGRAM  # noqa: E402, F401

BUILD = pathlib.Path(os.environ["ASHLAR_BUILD"]) if "ASHLAR_BUILD" in os.environ else ROOT / "build"
