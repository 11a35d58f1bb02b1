"""A client that asks for one thing at a time gets on beside clients that ask for as much as they can."""

import json

from frame import BENCH_LOAD, MIB, Household, config, main, processes

# name: (export, job)
BULK = {
    "reads": ("disk", "op=read,block=256K,depth=32,connections=4"),
    "small reads": ("disk", "op=randread,block=4K,depth=64,connections=4"),
    "writes": ("scratch", "op=write,block=256K,depth=32,connections=2"),
}


class Fairness(Household):
    def serve(self, exports, **how):
        scratch = self.sparse_file("scratch.img", 16 * MIB)
        return super().serve([*exports, config.file_export(scratch, "scratch")], **how)

    def assert_progress_beside(self, bulk):
        address = f"unix:{self.server.socket}"
        export, job = BULK[bulk]
        # Far longer than the reader needs; ended as soon as that is through.
        others = processes.start([BENCH_LOAD, address, "--export", export, "--seconds", 600, job])
        try:
            reader = json.loads(processes.run(BENCH_LOAD, address, "--export", "disk", "--requests", 1000,
                                              "op=randread,block=4K,depth=1"))["jobs"][0]
            self.assertIsNone(others.poll(), "the others have ended")
        finally:
            others.kill()
            others.wait()
        self.assertEqual((reader["operations"], reader["errors"]), (1000, 0))

    def test_beside_bulk_readers(self):
        self.assert_progress_beside("reads")

    def test_beside_readers_at_full_depth(self):
        self.assert_progress_beside("small reads")

    def test_beside_writers(self):
        self.assert_progress_beside("writes")


if __name__ == "__main__":
    main()
