"""Every operation and flag, through libnbd, on a file whose size is a multiple of nothing."""

import errno
import os

from lib import config, libnbd
from lib.case import Case, main
from lib.images import MIB, pattern
from lib.libnbd import nbd

SIZE = 4 * MIB + 333
GIB = 1 << 30
LONGEST = 4 * GIB - 1  # what the wire's 32 bits hold


class Operations(Case):
    def setUp(self):
        super().setUp()
        self.disk = self.sparse_file("disk.img", SIZE)
        self.model = bytearray(pattern(SIZE))
        self.disk.write_bytes(self.model)

    def connect(self, disk=None, **how):
        server = self.serve([config.file_export(disk or self.disk)])
        return libnbd.connect(server.uri("disk"), **how)

    def assert_disk_is_model(self):
        self.assert_same(self.disk.read_bytes(), self.model)

    def assert_fails(self, number, call, *arguments):
        with self.assertRaises(nbd.Error) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.errnum, number, f"{errno.errorcode.get(number)} expected: {caught.exception}")

    # ---- What is offered ----

    def test_the_file_plugin_offers_all_operations(self):
        handle = self.connect()
        self.assertEqual(handle.get_size(), SIZE)
        for offered in (handle.can_flush, handle.can_fua, handle.can_trim, handle.can_zero, handle.can_cache, handle.can_df,
                        handle.can_multi_conn, handle.get_structured_replies_negotiated):
            self.assertTrue(offered(), offered.__name__)
        self.assertFalse(handle.is_read_only())
        self.assertTrue(handle.can_meta_context("base:allocation"))

    def test_block_sizes_are_told(self):
        handle = self.connect()
        self.assertEqual(handle.get_block_size(nbd.SIZE_MINIMUM), 1)
        self.assertGreaterEqual(handle.get_block_size(nbd.SIZE_PREFERRED), 512)
        self.assertEqual(handle.get_block_size(nbd.SIZE_MAXIMUM), 32 * MIB)

    def test_data_that_may_not_be_fragmented_is_not_offered_without_structured_replies(self):
        self.assertFalse(self.connect(structured=False).can_df())

    # ---- read, write ----

    def test_read_of_any_range(self):
        for structured in (True, False):
            handle = self.connect(structured=structured)
            for offset, length in ((0, 1), (0, 512), (511, 2), (4095, 4098), (MIB - 1, MIB + 2), (SIZE - 1, 1), (SIZE - 333, 333),
                                   (SIZE - 70_001, 70_001), (0, SIZE)):
                self.assert_same(handle.pread(length, offset), self.model[offset:offset + length], (structured, offset, length))

    def test_write_of_any_range(self):
        handle = self.connect()
        for number, (offset, length) in enumerate(((0, 1), (511, 2), (4095, 4098), (MIB - 1, MIB + 2), (SIZE - 1, 1), (SIZE - 334, 334))):
            for flag in (0, nbd.CMD_FLAG_FUA):
                data = pattern(length, number + flag + 1)
                handle.pwrite(data, offset, flag)
                self.model[offset:offset + length] = data
        handle.flush()
        self.assert_disk_is_model()

    def test_read_of_holes_in_chunks(self):
        with open(self.disk, "r+b") as file:
            file.truncate(0)
            file.truncate(SIZE)
            file.seek(MIB)
            file.write(b"x" * 65536)
        handle = self.connect()
        seen = []
        data = handle.pread_structured(SIZE, 0, lambda part, offset, status, error: seen.append((offset, len(part), status)))
        self.assert_same(data, self.disk.read_bytes())
        self.assertIn(nbd.READ_HOLE, {status for _, _, status in seen})
        self.assertEqual(sum(length for _, length, _ in seen), SIZE)

    def test_df_gives_one_chunk(self):
        with open(self.disk, "r+b") as file:
            file.truncate(0)
            file.truncate(SIZE)
            file.seek(MIB)
            file.write(b"x" * 65536)
        handle = self.connect()
        seen = []
        data = handle.pread_structured(2 * MIB, 0, lambda part, offset, status, error: seen.append(len(part)), nbd.CMD_FLAG_DF)
        self.assertEqual(seen, [2 * MIB])
        self.assert_same(data, self.disk.read_bytes()[:2 * MIB])

    def test_the_largest_payload(self):
        disk = self.sparse_file("large.img", 80 * MIB)
        handle = self.connect(disk, strict=False)
        for length in (32 * MIB, 64 * MIB):  # as told, and what is answered beyond it
            data = pattern(length, length)
            handle.pwrite(data, 5)
            self.assert_same(handle.pread(length, 5), data)

    def test_a_largest_payload_that_was_set_is_the_limit(self):
        disk = self.sparse_file("limited.img", 8 * MIB)
        server = self.serve([config.file_export(disk)], max_payload="2M")
        handle = libnbd.connect(server.uri("disk"), strict=False)
        self.assertEqual(handle.get_block_size(nbd.SIZE_MAXIMUM), 2 * MIB)
        handle.pread(2 * MIB, 0)
        self.assert_fails(errno.EOVERFLOW, handle.pread, 2 * MIB + 1, 0)

    def test_payloads_of_up_to_64_mib_by_default(self):
        # Whatever is advertised: some clients do not ask.
        disk = self.sparse_file("large.img", 130 * MIB)
        handle = self.connect(disk, strict=False)
        for size in (48 * MIB, 64 * MIB):
            data = pattern(size, size)
            handle.pwrite(data, 5)
            self.assert_same(handle.pread(size, 5), data)

    # ---- zero ----

    def zero(self, handle, offset, length, flags=0):
        handle.zero(length, offset, flags)
        self.model[offset:offset + length] = bytes(length)

    def test_zero_of_any_range(self):
        handle = self.connect()
        for offset, length in ((1, 1), (511, 2), (4096, 8192), (65535, 65538), (MIB + 1, MIB), (SIZE - 333, 333), (SIZE - 1, 1)):
            for flags in (0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FUA, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA):
                handle.pwrite(b"\xff" * length, offset)
                self.zero(handle, offset, length, flags)
        handle.shutdown()
        self.assert_disk_is_model()

    def test_zero_deallocates_unless_no_hole(self):
        before = self.disk.stat().st_blocks * 512
        handle = self.connect()
        self.zero(handle, 0, 2 * MIB, nbd.CMD_FLAG_NO_HOLE)
        handle.flush()
        self.assertGreaterEqual(self.disk.stat().st_blocks * 512, before)
        self.zero(handle, 0, 2 * MIB)
        handle.flush()
        # But for a block or two that the file system needs to remember where the rest is.
        self.assertLessEqual(self.disk.stat().st_blocks * 512, before - 2 * MIB + 65536)
        self.assert_disk_is_model()

    def test_fast_zero_zeroes_or_leaves_the_data_alone(self):
        handle = self.connect()
        if not handle.can_fast_zero():
            self.assert_fails(errno.EINVAL, self.connect(strict=False).zero, MIB, 0, nbd.CMD_FLAG_FAST_ZERO)
            return
        for flags in (0, nbd.CMD_FLAG_NO_HOLE):
            try:
                self.zero(handle, 4096, MIB, flags | nbd.CMD_FLAG_FAST_ZERO)
            except nbd.Error as refused:
                self.assertEqual(refused.errnum, errno.ENOTSUP)
            self.assert_disk_is_model()

    def check_longest(self, operation, first, contents_known):
        """Marks bytes within and around the range of 4 GiB - 1 bytes from `first` on; only those within may change."""
        disk = self.sparse_file("vast.img", 8 * GIB)
        handle = self.connect(disk, strict=False)
        end = first + LONGEST
        within = (first, first + GIB, first + 2 * GIB - 1, first + 2 * GIB, end - 1)
        around = [place for place in (0, first - 1, end, 8 * GIB - 1) if not first <= place < end and place < 8 * GIB]
        for place in (*within, *around):
            handle.pwrite(b"!", place)
        getattr(handle, operation)(LONGEST, first)
        for place in around:
            self.assert_same(handle.pread(1, place), b"!", place)
        for place in within if contents_known else ():
            self.assert_same(handle.pread(1, place), b"\0", place)
        handle.flush()
        self.assertEqual(disk.stat().st_size, 8 * GIB)
        # Only the blocks at the edges are left, and the file system's own.
        self.assertLess(disk.stat().st_blocks * 512, MIB)

    def test_zero_of_4_gib_less_1(self):
        self.check_longest("zero", 2, contents_known=True)

    def test_zero_of_4_gib_less_1_up_to_the_end(self):
        self.check_longest("zero", 8 * GIB - LONGEST, contents_known=True)

    def test_trim_of_4_gib_less_1(self):
        self.check_longest("trim", 2, contents_known=False)

    def test_trim_of_4_gib_less_1_up_to_the_end(self):
        self.check_longest("trim", 8 * GIB - LONGEST, contents_known=False)

    def test_zero_of_more_than_64_mib_reaches_its_end(self):
        size = 130 * MIB
        disk = self.sparse_file("large.img", size)
        handle = self.connect(disk)
        for place in (0, 64 * MIB - 1, 64 * MIB, 128 * MIB, size - 2):
            handle.pwrite(b"\xff", place)
        handle.pwrite(b"\xff", size - 1)
        handle.zero(size - 1, 0, nbd.CMD_FLAG_NO_HOLE)
        for offset in range(0, size - MIB, MIB):
            self.assert_same(handle.pread(MIB, offset).count(0), MIB, offset)
        self.assert_same(handle.pread(2, size - 2), b"\0\xff")

    # ---- trim, cache, flush ----

    def test_trim_keeps_what_is_around(self):
        handle = self.connect()
        for offset, length in ((1, 1), (4097, 4094), (MIB - 1, MIB + 2), (SIZE - 333, 333)):
            handle.trim(length, offset, nbd.CMD_FLAG_FUA)
            now = self.disk.read_bytes()
            self.assert_same(now[:offset], self.model[:offset])
            self.assert_same(now[offset + length:], self.model[offset + length:])
            self.model[offset:offset + length] = now[offset:offset + length]
        self.assertEqual(len(self.disk.read_bytes()), SIZE)

    def test_cache_changes_nothing(self):
        handle = self.connect()
        for offset, length in ((0, SIZE), (1, 1), (SIZE - 1, 1)):
            handle.cache(length, offset)
        self.assert_disk_is_model()

    def test_flush(self):
        handle = self.connect()
        handle.pwrite(b"kept", 100)
        handle.flush()
        self.model[100:104] = b"kept"
        self.assert_disk_is_model()

    # ---- a file that somebody makes shorter ----

    def test_bytes_that_are_gone_are_an_error_in_every_reply_style(self):
        end = 2 * MIB - 100
        for sparse in (False, True):
            disk = self.sparse_file(f"shorter-{sparse}.img", 4 * MIB)
            if not sparse:
                disk.write_bytes(pattern(4 * MIB))
            server = self.serve([config.file_export(disk)])
            handles = [libnbd.connect(server.uri("disk"), structured=structured) for structured in (True, False)]
            for handle in handles:
                handle.pread(4 * MIB, 0)  # into the page cache
            os.truncate(disk, end)
            for handle in handles:
                style = "structured" if handle.get_structured_replies_negotiated() else "simple"
                for offset, length in ((end - 1, 2), (end, 1), (end - 65_000, 65_536), (end + 100 - 65_536, 65_536), (MIB, 2 * MIB),
                                       (3 * MIB, 65_536), (4 * MIB - 512, 512)):
                    with self.subTest(sparse=sparse, style=style, offset=offset, length=length):
                        self.assert_fails(errno.EIO, handle.pread, length, offset)
                self.assert_same(handle.pread(end, 0), disk.read_bytes())
            structured = handles[0]
            found = libnbd.extents(structured, 4 * MIB, 0)
            self.assertEqual(sum(length for length, _ in found), end)
            self.assert_fails(errno.EIO, libnbd.extents, structured, MIB, end)

    # ---- extents ----

    def test_with_extents_off_no_hole_is_told(self):
        self.sparse_parts()
        export = config.file_export(self.disk)
        export["plugin"]["extents"] = False
        server = self.serve([export])
        handle = libnbd.connect(server.uri("disk"))
        self.assertEqual(libnbd.extents(handle, SIZE, 0), [(SIZE, 0)])
        seen = set()
        data = handle.pread_structured(SIZE, 0, lambda part, offset, status, error: seen.add(status))
        self.assert_same(data, self.disk.read_bytes())
        self.assertEqual(seen, {nbd.READ_DATA})

    def sparse_parts(self):
        with open(self.disk, "r+b") as file:
            file.truncate(0)
            file.truncate(SIZE)
            file.seek(MIB)
            file.write(b"x" * 65536)

    def test_block_status_tells_holes(self):
        self.sparse_parts()
        handle = self.connect()
        hole = nbd.STATE_HOLE | nbd.STATE_ZERO
        self.assertEqual(libnbd.extents(handle, SIZE, 0), [(MIB, hole), (65536, 0), (SIZE - MIB - 65536, hole)])

    def test_block_status_of_an_unaligned_range(self):
        self.sparse_parts()
        handle = self.connect()
        found = libnbd.extents(handle, 65536, MIB - 7)
        self.assertEqual(found[0], (7, nbd.STATE_HOLE | nbd.STATE_ZERO))
        self.assertEqual(found[1][1], 0)
        found = libnbd.extents(handle, 10, SIZE - 10)
        self.assertEqual(found, [(10, nbd.STATE_HOLE | nbd.STATE_ZERO)])

    def test_req_one_gives_one_extent_within_the_request(self):
        self.sparse_parts()
        handle = self.connect()
        self.assertEqual(libnbd.extents(handle, SIZE, 0, nbd.CMD_FLAG_REQ_ONE), [(MIB, nbd.STATE_HOLE | nbd.STATE_ZERO)])
        self.assertEqual(libnbd.extents(handle, 1000, 0, nbd.CMD_FLAG_REQ_ONE), [(1000, nbd.STATE_HOLE | nbd.STATE_ZERO)])

    def test_block_status_of_8_gib(self):
        disk = self.sparse_file("vast.img", 8 * GIB)
        handle = self.connect(disk)
        self.assertGreaterEqual(libnbd.extents(handle, LONGEST, 0)[0][0], LONGEST)

    def test_unknown_meta_contexts_are_not_agreed_on(self):
        handle = self.connect(contexts=("base:allocation", "qemu:dirty-bitmap:none", "other:context"))
        self.assertTrue(handle.can_meta_context("base:allocation"))
        self.assertFalse(handle.can_meta_context("other:context"))

    # ---- Bad requests: the error the text asks for, and the session goes on ----

    def test_bad_requests_are_refused_and_the_session_goes_on(self):
        handle = self.connect(strict=False)
        for number, call, *arguments in (
                (errno.EINVAL, handle.pread, 512, SIZE),
                (errno.EINVAL, handle.pread, 2, SIZE - 1),
                (errno.EINVAL, handle.pread, 1, (1 << 63) - 1),
                (errno.ENOSPC, handle.pwrite, b"12", SIZE - 1),
                (errno.ENOSPC, handle.pwrite, b"12", (1 << 63) - 1),
                (errno.ENOSPC, handle.zero, 2, SIZE - 1),
                (errno.EINVAL, handle.trim, 2, SIZE - 1),
                (errno.EINVAL, handle.cache, 2, SIZE - 1),
                (errno.EINVAL, handle.block_status, 2, SIZE - 1, lambda *_: 0),
                (errno.EINVAL, handle.pread, 512, 0, nbd.CMD_FLAG_NO_HOLE),
                (errno.EINVAL, handle.zero, 512, 0, nbd.CMD_FLAG_REQ_ONE),
        ):
            self.assert_fails(number, call, *arguments)
            self.assert_same(handle.pread(16, 0), self.model[:16])
        self.assert_disk_is_model()

    def test_block_status_without_a_context_is_refused(self):
        handle = self.connect(contexts=(), strict=False)
        self.assert_fails(errno.EINVAL, handle.block_status, 512, 0, lambda *_: 0)
        self.assert_same(handle.pread(16, 0), self.model[:16])

    # ---- In parallel ----

    def test_requests_in_flight_together(self):
        handle = self.connect()
        buffers = [(i * 8191, nbd.Buffer.from_bytearray(bytearray(pattern(8191, i)))) for i in range(256)]
        cookies = [handle.aio_pwrite(buffer, offset) for offset, buffer in buffers]
        while handle.aio_in_flight() > 0:
            handle.poll(-1)
        for cookie in cookies:
            self.assertTrue(handle.aio_command_completed(cookie))
        reads = [(offset, buffer, nbd.Buffer(8191)) for offset, buffer in buffers]
        cookies = [handle.aio_pread(into, offset) for offset, _, into in reads]
        while handle.aio_in_flight() > 0:
            handle.poll(-1)
        for cookie in cookies:
            self.assertTrue(handle.aio_command_completed(cookie))
        for _, written, read in reads:
            self.assertEqual(read.to_bytearray(), written.to_bytearray())

    def test_flush_on_one_connection_covers_writes_on_another(self):
        server = self.serve([config.file_export(self.disk)])
        first, second = libnbd.connect(server.uri()), libnbd.connect(server.uri())
        self.assertTrue(first.can_multi_conn())
        first.pwrite(b"shared", 0)
        self.assertEqual(second.pread(6, 0), b"shared")
        second.flush()


if __name__ == "__main__":
    main()
