"""A file system in use, traced above and below align and a layer that is slow: the report alone tells which layer that
is, and what each op came to. The trace is made from the image's beginning, mkfs included."""

import json
import os
import pathlib

from tools import MIB, holds, run

from lib import config
from lib.server import PROGRAM, Server

# Where CMake puts the filter: tests/interop/slow_writes.cpp.
SLOW_WRITES = pathlib.Path(PROGRAM).resolve().parents[1] / "tests/interop/filters/slow_writes.so"


def inside(guest):
    guest.make_image("image", 48 * MIB)
    layers = [{"type": "trace", "path": "above.trace", "tag": "above"}, {"type": "align", "block_size": 4096},
              {"type": "trace", "path": "between.trace", "tag": "between"}, {"type": str(SLOW_WRITES), "milliseconds": 20},
              {"type": "trace", "path": "below.trace", "tag": "below", "payload": "data"}]
    file = guest.folder / "server.toml"
    file.write_text(config.toml([config.file_export(guest.folder / "image", "image", filters=layers)], listen=[f"unix:{guest.socket}"]))
    server = Server([file], guest.folder / "server-0.log", 1)
    guest.servers.append(server)
    guest.attach("unix", "image", guest.device)
    run("mkfs.ext4", "-q", "-b", 4096, guest.device)
    with guest.mounted(guest.device) as folder:
        for number in range(8):
            (folder / f"file {number}").write_bytes(os.urandom(MIB))
        os.sync()
        for number in range(0, 8, 2):
            (folder / f"file {number}").unlink()
        os.sync()
        run("fstrim", folder)
    guest.detach(guest.device)
    server.stop()


def outside(left):
    told = json.loads(run(PROGRAM, "trace", "report", "--json", "above.trace", "between.trace", "below.trace"))
    places = {place["place"]: place for place in told["places"]}
    holds(list(places) == ["above", "between", "below"], f"the places are {list(places)}")
    for place in places.values():
        for op in ("read", "write", "flush", "trim"):
            holds(place["ops"].get(op, {}).get("count", 0) > 0, f"{place['place']}: no {op}")
    # Of the two pairs of places, the slow layer is in the lower one.
    aside = {(pair["upper"], pair["lower"]): pair["write"] for pair in told["between"]}
    holds(len(aside) == 2, f"between: {list(aside)}")
    lost = {pair: sums["upper_ns"] - sums["lower_ns"] for pair, sums in aside.items()}
    holds(lost["between", "below"] > lost["above", "between"], f"the time in between is {lost}")
    print(run(PROGRAM, "trace", "report", "above.trace", "between.trace", "below.trace"))
    # Asked again of nbdkit, it makes the same disk.
    run("truncate", "--size=48M", "again.image")
    print(run("nbdkit", "--unix", "-", "file", "again.image", "--run", f'"{PROGRAM}" trace replay below.trace "$uri" --keep-order'))
    run("cmp", "image", "again.image")
