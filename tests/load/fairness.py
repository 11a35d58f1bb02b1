"""A client that asks for one thing at a time gets on beside clients that ask for as much as they can.

What counts is the order: until it has its answers, the others may have no more than so many."""

from frame import BENCH_LOAD, MIB, TRANSPORT, Household, config, main, pattern, processes, wire

READS = 300
# name: (export, op, bytes, depth, connections, turns). In one turn all that the others have in flight is answered. A fair server gives
# them about one for each read of the client that asks for one thing at a time, more while that client waits for a core; one that
# starves it gives them all.
BULK = {
    "reads": ("disk", "read", "256K", 32, 4, 20),
    "small reads": ("disk", "randread", "4K", 64, 4, 100),
    "writes": ("scratch", "write", "256K", 32, 2, 20),
}


class Fairness(Household):
    def serve(self, exports, **how):
        scratch = self.sparse_file("scratch.img", 16 * MIB)
        return super().serve([*exports, config.file_export(scratch, "scratch")], **how)

    def assert_progress_beside(self, bulk):
        export, op, block, depth, connections, turns = BULK[bulk]
        reader = self.talking()
        others = processes.start([BENCH_LOAD, self.server.address(TRANSPORT), "--export", export, "--requests", READS * turns * depth,
                                  f"op={op},block={block},depth={depth},connections={connections}"],
                                 stdout=processes.subprocess.DEVNULL)
        try:
            # More than they need to start and to connect.
            self.wait_until("the others are at work", lambda: processes.cpu_seconds(others.pid) > 0.1,
                            lambda: f"{processes.cpu_seconds(others.pid)} s of CPU used")
            wanted = pattern(MIB)
            reader.socket.settimeout(None)
            for number in range(READS):
                begin = number * 7919 % 256 * 4096
                self.assert_same(reader.ask(wire.CMD_READ, begin, 4096), wanted[begin:begin + 4096])
            self.assertIsNone(others.poll(), f"the others had {turns * depth * connections} answers for each of its own")
        finally:
            others.kill()
            others.wait()

    def test_beside_bulk_readers(self):
        self.assert_progress_beside("reads")

    def test_beside_readers_at_full_depth(self):
        self.assert_progress_beside("small reads")

    def test_beside_writers(self):
        self.assert_progress_beside("writes")


if __name__ == "__main__":
    main()
