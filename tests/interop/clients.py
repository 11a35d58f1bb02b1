"""Every client on one storage. ASHLAR_STORAGE says which: ext4, xfs, btrfs, tmpfs, loop."""

import json
import os
import random

from lib import config, images, libnbd
from lib.case import Case, main
from lib.images import MIB
from lib.processes import run
from lib.storage import Storage

KIND = os.environ.get("ASHLAR_STORAGE", "ext4")
FIO_MIB = int(os.environ.get("ASHLAR_FIO_MIB_PER_STORAGE", "32"))
MAKERS = [f"mkfs.{KIND}"] if KIND in ("ext4", "xfs", "btrfs") else []
# Block maps and partly written blocks.
SLACK = MIB


class Clients(Case):
    @classmethod
    def setUpClass(cls):
        cls.storage = cls.enterClassContext(Storage(KIND))

    def served(self, size=images.SPARSE_SIZE):
        """A server over a new image on the storage: (server, URI, image)."""
        image = self.storage.image(self.id().rsplit(".", 1)[-1], size)
        server = self.serve([config.file_export(image.path)])
        return server, server.uri("disk"), image

    def sparse_source(self):
        return images.write_sparse(self.folder / "source.img")

    def assert_holes_kept(self, source, allocated):
        self.assertLessEqual(allocated, source.stat().st_blocks * 512 + SLACK)

    # ---- qemu ----

    def test_qemu_img_convert_to_export_and_back(self):
        source = self.sparse_source()
        server, uri, image = self.served()
        # Not fresh: what the source has as holes must be punched, not just left alone.
        images.fill(image.path, images.SPARSE_SIZE, 0xFF)
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, uri)
        self.assertIn("identical", run("qemu-img", "compare", "-f", "raw", "-F", "raw", source, uri))
        self.assert_holes_kept(source, image.allocated())

        back = self.folder / "back.img"
        run("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, back)
        self.assertEqual(images.checksum(back), images.checksum(source))
        self.assert_holes_kept(source, back.stat().st_blocks * 512)

        server.stop()
        self.assertEqual(images.checksum(image.path), images.checksum(source))

    def test_qemu_img_convert_out_of_order(self):
        source = self.sparse_source()
        server, uri, image = self.served()
        images.fill(image.path, images.SPARSE_SIZE, 0xFF)
        run("qemu-img", "convert", "-n", "-W", "-m", 8, "-f", "raw", "-O", "raw", source, uri)
        server.stop()
        self.assertEqual(images.checksum(image.path), images.checksum(source))
        self.assert_holes_kept(source, image.allocated())

    def test_qemu_img_map_shows_the_holes(self):
        _, uri, image = self.served()
        with open(image.path, "r+b") as file:
            file.seek(16 * MIB)
            file.write(images.pattern(MIB))
        rows = json.loads(run("qemu-img", "map", "-f", "raw", "--output=json", uri))
        data = sum(row["length"] for row in rows if row["data"])
        self.assertEqual(sum(row["length"] for row in rows), images.SPARSE_SIZE)
        # A block device does not tell its holes.
        self.assert_same(data, images.SPARSE_SIZE if image.is_device else MIB)

    def test_qemu_io(self):
        server, uri, image = self.served()
        for command in ("write -P 0x11 0 64k", "write -f -P 0x22 65024 1024", "write -z 128k 64k", "write -P 0x33 256k 256k",
                        "write -z -u 320k 64k", "write -z -u -n 384k 4k", "discard 1M 1M", "flush", "write -P 0x44 67108352 512",
                        "read -P 0x11 0 65024", "read -P 0x22 65024 1024", "read -P 0 128k 64k", "read -P 0x33 256k 64k",
                        "read -P 0 320k 64k", "read -P 0x44 67108352 512"):
            done = run("qemu-io", "-f", "raw", "-c", command, uri, ok=False)
            # -n (fast zero) may be refused, if honestly; all else has to work.
            if "-n" not in command.split():
                self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}")
        # Many in flight at once.
        script = [word for i in range(64) for word in ("-c", f"aio_write -q -P {i + 1} {4 + i}M 128k")]
        run("qemu-io", "-f", "raw", *script[:110], "-c", "aio_flush", uri)
        server.stop()
        with open(image.path, "rb") as file:
            for i in range(55):
                file.seek((4 + i) * MIB)
                self.assertEqual(file.read(128 * 1024), bytes([i + 1]) * (128 * 1024))

    # ---- libnbd's programs ----

    def test_nbdinfo(self):
        server, uri, image = self.served()
        images.fill(image.path, 2 * MIB, 1)
        shown = json.loads(run("nbdinfo", "--json", uri))
        export = shown["exports"][0]
        self.assertEqual(shown["protocol"], "newstyle-fixed")
        self.assertEqual(export["export-size"], images.SPARSE_SIZE)
        self.assertEqual(export["contexts"], ["base:allocation"])
        for ability in ("can_flush", "can_fua", "can_trim", "can_zero", "can_cache", "can_df", "can_multi_conn"):
            self.assertTrue(export[ability], ability)
        self.assertFalse(export["is_read_only"])

        listed = json.loads(run("nbdinfo", "--list", "--json", server.uri()))
        self.assertEqual([export["export-name"] for export in listed["exports"]], ["disk"])

        rows = json.loads(run("nbdinfo", "--map", "--json", uri))
        self.assertEqual(sum(row["length"] for row in rows), images.SPARSE_SIZE)
        self.assertEqual(rows[0]["type"], 0)
        self.assertEqual(rows[0]["length"], images.SPARSE_SIZE if image.is_device else 2 * MIB)

    def test_nbdcopy_to_export_and_back(self):
        source = self.sparse_source()
        server, uri, image = self.served()
        run("nbdcopy", "--connections=4", "--requests=32", source, uri)
        back = self.folder / "back.img"
        run("nbdcopy", "--connections=4", uri, back)
        self.assertEqual(images.checksum(back), images.checksum(source))
        server.stop()
        self.assertEqual(images.checksum(image.path), images.checksum(source))

    # ---- libnbd from Python ----

    def test_random_requests_equal_a_model(self):
        size = 8 * MIB
        server, uri, image = self.served(size)
        model = bytearray(size)
        dice = random.Random(KIND)
        handle = libnbd.connect(uri)
        for _ in range(400):
            offset = dice.randrange(size)
            length = dice.randrange(1, min(size - offset, dice.choice((512, 70_000, MIB))) + 1)
            choice = dice.randrange(4)
            if choice == 0:
                self.assert_same(handle.pread(length, offset), model[offset:offset + length])
            elif choice == 1:
                data = dice.randbytes(length)
                handle.pwrite(data, offset, dice.choice((0, libnbd.nbd.CMD_FLAG_FUA)))
                model[offset:offset + length] = data
            else:
                handle.zero(length, offset, dice.choice((0, libnbd.nbd.CMD_FLAG_NO_HOLE)))
                model[offset:offset + length] = bytes(length)
        self.assert_same(handle.pread(size, 0), model)
        handle.shutdown()
        server.stop()
        self.assert_same(image.read(), model)

    # ---- fio ----

    def test_fio_verifies_random_writes(self):
        _, uri, _ = self.served(FIO_MIB * MIB)
        run("fio", "--name=verify", "--ioengine=nbd", f"--uri={uri}", "--rw=randwrite", "--bs=4k", "--iodepth=32", "--numjobs=4",
            f"--size={FIO_MIB // 4}m", f"--offset_increment={FIO_MIB // 4}m", "--verify=crc32c", "--verify_fatal=1",
            "--verify_state_save=0",
            "--group_reporting")


if __name__ == "__main__":
    main(needs_root=True, needs=["qemu-img", "qemu-io", "nbdinfo", "nbdcopy", "fio", "losetup", *MAKERS])
