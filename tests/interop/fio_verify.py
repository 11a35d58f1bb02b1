"""fio's nbd engine verifies random writes at depth 32 with 4 jobs; ASHLAR_FIO_MIB says how much in all (default 1 GiB)."""

import os

from lib import config
from lib.case import Case, main
from lib.images import MIB
from lib.processes import run

TOTAL_MIB = int(os.environ.get("ASHLAR_FIO_MIB", "1024"))


class FioVerify(Case):
    def test_random_writes_come_back(self):
        disk = self.sparse_file("disk.img", TOTAL_MIB * MIB)
        server = self.serve([config.file_export(disk)])
        share = TOTAL_MIB // 4
        shown = run("fio", "--name=verify", "--ioengine=nbd", f"--uri={server.uri('disk')}", "--rw=randwrite", "--bs=4k",
                    "--iodepth=32", "--numjobs=4", f"--size={share}m", f"--offset_increment={share}m", "--verify=crc32c",
                    "--verify_fatal=1", "--verify_state_save=0", "--group_reporting", timeout=1200)
        # All was written, and all was read back.
        blocks = TOTAL_MIB * MIB // 4096
        self.assertIn(f"issued rwts: total={blocks},{blocks},0,0", shown)


if __name__ == "__main__":
    main(needs=["fio"])
