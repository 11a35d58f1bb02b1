#!/usr/bin/env python3
"""ashlar-check finds every lie and says which, and finds none in the modules of this tree.

$ASHLAR_PART, one of plugins, filters, tables, own and usage, says which tests to run."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import lies

CHECK = os.environ["ASHLAR_CHECK"]
LIARS = pathlib.Path(os.environ["ASHLAR_LIARS"])
MODULES = pathlib.Path(os.environ["ASHLAR_MODULES"])
SANITIZE = os.environ.get("ASHLAR_SANITIZE", "")
PLUGIN, FILTER = LIARS.parent / "lying_plugin.so", LIARS.parent / "lying_filter.so"

# Lies that look like a disk that cannot be opened with these parameters.
UNUSABLE = {"create_fails", "create_fails_silently", "create_throws", "open_fails", "describe_fails"}
# What only shows itself to a host that is not this one.
INNOCENT = {"offers_unknown"}
# What looks like a lie and is none.
HONEST = [(FILTER, "honest"), (FILTER, "first_extent_alone"), (FILTER, "locks_for_a_moment"), (PLUGIN, "honest"),
          (PLUGIN, "does_later_what_it_gave_up")]
# The parameters that our own modules are checked with. What needs a file or a device is checked below.
CONFIGURED = {
    "align": [[], ["block_size=512"], ["block_size=64k"], ["policy=error", "block_size=512"]],
    "cache": [["readahead=off"], ["size=64K", "block_size=4K"], ["write=back"],
              ["write=back", "size=64K", "block_size=4K", "max_dirty=4K"], ["write=back", "store=/var/tmp"]],
    "curl": [],  # see test_own_curl
    "nbd": [],  # see test_own_nbd
    "cow": [["scope=export"], ["scope=export", "block_size=4K"]],  # see test_own_cow
    "fault": [[], ["volatile=true"], ["volatile=true", "volatile_size=64K"]],
    "log": [[], ["level=trace"]],
    "offset": [[], ["offset=512", "size=300K"], ["offset=5G", "size=1M"]],
    "partition": [],  # the disk that filters are checked over has no table
    "rate": [[], ["bytes=1G"], ["bytes=256M", "requests=50000", "burst=0s", "per=connection"]],
    "rbd": [],  # over a Ceph: tests/ceph
    "readonly": [[]],
    "retry": [["times=1", "delay=1us"], ["times=1", "delay=1us", "reopen=true"]],
    "trace": [],  # see test_own_trace
    "truncate": [["size=100K"], ["round_down=64K"]],  # behind the end of the layer below it takes zeroes alone
    "xz": [],  # the disk that filters are checked over is not packed
    "zero-emulation": [[], ["chunk=4K"]],
    "zstd": [],  # likewise
    "memory": [["--write", "size=3000000"], ["--write", "size=512"], ["--write", "size=6G"], ["size=0"]],
    "null": [["size=1T"], ["size=1000"]],
    "file": [],
    "pattern": [["size=1000003"], ["size=6G"]],
    "split": [],  # see test_own_split
    "block": [],
}
# Built where there are their libraries.
OPTIONAL = {"curl", "nbd", "rbd", "xz", "zstd"}
# With a sanitizer what is out of bounds is found by it, and all is slow: fewer at once, so that each is done in its 60 s.
TOGETHER = 2 if SANITIZE else 4


def some_of(ways):
    """All of them; with a sanitizer, which takes long, the first."""
    return ways[:1] if SANITIZE else ways


def check(*words):
    return subprocess.run([CHECK, *map(str, words)], capture_output=True, text=True, timeout=300)


def broken(done):
    return {promise["name"] for promise in json.loads(done.stdout)["promises"] if promise["result"] == "broken"}


def has_direct_io(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
        return True
    except OSError:
        return False


def all_at_once(check_one, things):
    """Runs check_one(thing) for all of them, some at a time, and returns what they return, in order."""
    with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(check_one, things))


class Lies(unittest.TestCase):
    def assert_named(self, file, table, *options):
        if SANITIZE:
            table = {lie: lies.WITH_A_SANITIZER.get(lie, row) for lie, row in table.items()}
        told = [(lie, op, row[1]) for lie, row in table.items() if row is not None for op in row[0] or ["any"]]

        def run(one):
            lie, op, wanted = one
            return check(*options, "--json", "--only", ",".join(sorted(wanted)), file, f"lie={lie}", f"op={op}",
                         *(["size=6G"] if file == PLUGIN else []))

        for (lie, op, wanted), done in zip(told, all_at_once(run, told)):
            with self.subTest(lie=lie, op=op):
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertTrue(broken(done) & wanted, done.stdout)

    def assert_all_are_listed(self, file, table):
        """Each lie that the source has is looked for here."""
        folder = pathlib.Path(__file__).parent
        names = set()
        for source in folder.glob(f"{file.stem}/*.cpp"):
            for listed in re.findall(r"Lie lies\[\] = \{(.*?)\};\n", source.read_text(), re.DOTALL):
                names |= set(re.findall(r'LIE\((\w+)\)|\{"(\w+)"', listed))
        names = {lie or other for lie, other in names}
        self.assertEqual(names - {lie for _, lie in HONEST} - {"takes_long"}, set(table))

    def test_plugins(self):
        self.assert_all_are_listed(PLUGIN, lies.PLUGIN)
        self.assert_named(PLUGIN, lies.PLUGIN, "--write")

    def test_filters(self):
        self.assert_all_are_listed(FILTER, lies.FILTER)
        self.assert_named(FILTER, lies.FILTER)

    def test_tables(self):
        files = sorted(LIARS.glob("*.so"))
        self.assertEqual({file.stem for file in files}, {*lies.TABLE, *UNUSABLE, *INNOCENT})
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            def run(file):
                if file.stem in lies.WITH_A_SECRET:
                    return check("--json", "--only", "secrets", file, "secret=swordfish")
                options = ["--json", "--time", 240]
                if SANITIZE and file.stem in lies.TABLE:  # all promises take long
                    options += ["--only", ",".join(sorted(lies.TABLE[file.stem]))]
                if file.stem not in lies.WITH_A_PATH:
                    return check(*options, file)
                own = pathlib.Path(folder) / file.stem
                own.write_bytes(bytes(512))
                return check(*options, file, f"path={own}")

            all_done = all_at_once(run, files)
        for file, done in zip(files, all_done):
            if SANITIZE and file.stem in lies.COUNTED:
                continue
            with self.subTest(lie=file.stem):
                wanted = 2 if file.stem in UNUSABLE else 0 if file.stem in INNOCENT else 1
                self.assertEqual(done.returncode, wanted, done.stdout + done.stderr)
                if wanted == 1:
                    self.assertTrue(broken(done) & lies.TABLE[file.stem], done.stdout)


class Own(unittest.TestCase):
    def assert_kept(self, *words):
        self.assert_all_kept([words])

    def assert_all_kept(self, all_words):
        # Where much else runs, too, each gets the time that it needs.
        for words, done in zip(all_words, all_at_once(lambda words: check("--time", 240, *words), all_words)):
            with self.subTest(words=words):
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_own_modules_are_all_listed(self):
        self.assertEqual({file.stem for file in MODULES.glob("*/*.so")} | OPTIONAL, set(CONFIGURED))

    def test_own_modules(self):
        every = []
        for file in sorted(MODULES.glob("*/*.so")):
            for words in some_of(CONFIGURED[file.stem]):
                options = [word for word in words if word.startswith("--")]
                every.append([*options, file, *[word for word in words if word not in options]])
        self.assert_all_kept(every)

    def test_of_a_filter_that_keeps_reads_the_other_requests_are_followed(self):
        done = check("--only", "place", MODULES / "filters/cache.so", "readahead=off")
        self.assertRegex(done.stdout, r"place .* kept")

    def test_own_trace(self):
        ways = (["payload=none"], ["payload=hash"], ["payload=data", "max_size=4M"], ["when_full=wait"], ["ring=1M"])
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            self.assert_all_kept([[MODULES / "filters/trace.so", f"path={folder}/{number}.trace", *words]
                                  for number, words in enumerate(some_of(ways))])

    def test_own_cow(self):
        # An overlay of a connection shows nothing to the next one, which some checks look for.
        alone = "reads,places,extents,nowait*,holes,lent*,lend-only,loans,idle,traffic,beside,below-fails,held,race,threads,sequences"
        self.assert_kept("--only", alone, MODULES / "filters/cow.so", "scope=connection")

    def test_own_split(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            every = []
            disks = (("few", (512, 1 << 20)), ("odd", (1000, 1, 70001, 0, 300000)), ("large", (3 << 30, 3 << 30)))
            for name, sizes in some_of(disks):
                paths = []
                for number, size in enumerate(sizes):
                    paths.append(f"{folder}/{name}.{number}")
                    with open(paths[-1], "wb") as file:
                        file.truncate(size)
                every.append(["--write", MODULES / "plugins/split.so", "paths=" + ",".join(paths)])
            self.assert_all_kept(every)

    def test_own_curl(self):
        # Over web servers: tests/modules/plugins/curl.py.
        if not (MODULES / "plugins/curl.so").exists():
            self.skipTest("built without libcurl")
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            every = []
            for size in (1, 1000700):
                image = pathlib.Path(folder) / f"{size}.img"
                image.write_bytes(os.urandom(size))
                every.append([MODULES / "plugins/curl.so", f"url=file://{image}"])
            self.assert_all_kept(every)

    def test_own_nbd(self):
        # Over other servers: tests/modules/plugins/nbd_servers.py.
        if not (MODULES / "plugins/nbd.so").exists() or shutil.which("nbdkit") is None:
            self.skipTest("needs libnbd and nbdkit")
        self.assert_all_kept([["--write", MODULES / "plugins/nbd.so", f"command=nbdkit,memory,{size}"]
                              for size in some_of(("3000064", "6G"))])

    def test_own_file(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            every = []
            for size in some_of((1000700, 1, 5 << 30)):
                for direct in ("false", "true"):
                    image = pathlib.Path(folder) / f"{size}-{direct}.img"
                    with open(image, "wb") as file:
                        file.truncate(size)
                    if direct == "false" or has_direct_io(image):
                        every.append(["--write", MODULES / "plugins/file.so", f"path={image}", f"direct={direct}"])
            self.assert_all_kept(every)

    def test_own_block(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            image = pathlib.Path(folder) / "disk.img"
            with open(image, "wb") as file:
                file.truncate(8 << 20)
            loop = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True)
            if loop.returncode != 0:
                self.skipTest("no loop device: " + loop.stderr.strip())
            try:
                self.assert_kept("--write", MODULES / "plugins/block.so", f"path={loop.stdout.strip()}")
            finally:
                subprocess.run(["losetup", "--detach", loop.stdout.strip()], check=True)

    def test_own_what_only_looks_like_a_lie(self):
        self.assert_all_kept([["--write", file, f"lie={name}"] for file, name in HONEST])


class Usage(unittest.TestCase):
    def test_usage_does_not_write_to_a_plugin_unasked(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            image = pathlib.Path(folder) / "disk.img"
            content = os.urandom(1 << 16)
            image.write_bytes(content)
            done = check("--time", 240, MODULES / "plugins/file.so", f"path={image}")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("needs --write", done.stdout)
            self.assertEqual(image.read_bytes(), content)

    def test_usage_mistakes(self):
        memory = MODULES / "plugins/memory.so"
        for words, said in (([], "which module?"), (["/nowhere.so"], "/nowhere.so is not a file"), (["--wat", memory], "--wat"),
                            ([memory, "size"], "KEY=VALUE"), ([memory, "sise=1"], "sise"), ([memory], "size"),
                            ([memory, "size=many"], "many"), (["--only", "nothing-like-it", memory, "size=1M"], "nothing-like-it"),
                            (["--seed", "x", memory, "size=1M"], "--seed"), (["--time", "0", memory], "between 1 and 86400"),
                            ([memory, "size=1M", "size=2M"], "given twice"), (["--only", "", memory], "--only needs"),
                            (["--only"], "--only")):
            with self.subTest(words=words):
                done = check(*words)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertIn(said, done.stderr)

    def test_usage_a_module_that_refuses_is_no_mistake_of_usage(self):
        file = LIARS / "create_fails.so"
        done = check(file)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\n  opens .* refused\n$")
        self.assertRegex(done.stderr, r"^ashlar-check: .*create has no luck\n$")
        self.assertEqual(check("--only", "reads", file).stderr, done.stderr)
        for options in (["--json"], ["--json", "--only", "reads"], ["--json", "--in-process"]):
            with self.subTest(options=options):
                done = check(*options, file)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                told = json.loads(done.stdout)
                self.assertIn("create has no luck", told["refused"])
                self.assertEqual(told["broken"], 0)
                rows = [row["result"] for row in told["promises"] if row["name"] == "opens"]
                self.assertEqual(rows, [] if "reads" in options else ["refused"])

    def test_usage_help(self):
        for option in ("-h", "--help"):
            done = check(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for words in ("-h, --help", "10 seconds", "a module that refuses the parameters"):
                self.assertIn(words, done.stdout)

    def test_usage_json_has_a_row_for_each_promise(self):
        done = check("--json", "--only", "geo*,reads", MODULES / "plugins/memory.so", "size=1M")
        told = json.loads(done.stdout)
        self.assertEqual([(row["name"], row["result"]) for row in told["promises"]], [("geometry", "kept"), ("reads", "kept")])
        self.assertEqual((told["broken"], told["refused"]), (0, None))

    def test_usage_the_log_of_the_module_goes_to_stderr(self):
        words = ["--only", "opens", MODULES / "filters/log.so"]
        self.assertEqual(check(*words).stderr, "")
        self.assertIn("open export=", check("-v", *words).stderr)

    def test_usage_in_process(self):
        done = check("--in-process", "--only", "reads", FILTER, "lie=wrong_bytes", "op=read")
        self.assertEqual(done.returncode, 1, done.stdout)
        done = check("--in-process", "--only", "fields", FILTER, "lie=crashes", "op=read")
        if SANITIZE:  # its runtime may exit for the signal
            self.assertNotEqual(done.returncode, 0, done.stdout)
        else:
            self.assertLess(done.returncode, 0, done.stdout)

    def test_usage_a_crash_and_a_hang_have_a_name(self):
        done = check("--only", "fields", FILTER, "lie=crashes", "op=write")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"BROKEN: it ended the process.*, in write \d+@\d+")
        done = check("--only", "fields", FILTER, "lie=hangs", "op=read")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"BROKEN: it hangs: nothing for 10 seconds, in read \d+@\d+")

    def test_usage_running_out_of_time_is_no_breach(self):
        words = ["--time", "1", "--only", "reads,writes", "--write", PLUGIN, "lie=takes_long", "op=read"]
        done = check(*words)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertNotIn("BROKEN", done.stdout)
        self.assertRegex(done.stdout, r"\n  reads .* not tried\n  writes .* not tried\n"
                                      r"2 checks were not tried: 1 seconds are over; --time gives them more\n$")
        told = json.loads(check("--json", *words).stdout)
        self.assertEqual((told["broken"], told["not_tried"]), (0, 2))
        self.assertEqual([(row["result"], row["text"]) for row in told["promises"]], [("not tried", "1 seconds are over")] * 2)

    def test_usage_a_lock_shows_in_each_way(self):
        for lie, name in (("holds_mutex", "same-thread"), ("holds_recursive_mutex", "other-thread")):
            with self.subTest(lie=lie):
                done = check("--only", name, FILTER, f"lie={lie}", "op=write")
                self.assertEqual(done.returncode, 1)
                self.assertIn("while a write is under way in the layer below", done.stdout)

    def test_usage_no_secret_is_printed(self):
        for options in (["-v"], ["-v", "--json"], ["-v", "--in-process"]):
            with self.subTest(options=options):
                done = check(*options, PLUGIN, "lie=honest", "secret=swordfish")
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertNotIn("swordfish", done.stdout + done.stderr)
                self.assertIn("info: the secret is ***\n", done.stderr)
                self.assertIn("there is no \\x1b***\\xff here", done.stderr)

    def test_usage_what_is_no_shared_object(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            for content in (b"", b"text", b"\x7fELF" + bytes(100)):
                with self.subTest(content=content):
                    file = pathlib.Path(folder) / "text.so"
                    file.write_bytes(content)
                    done = check(file)
                    self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                    self.assertIn("text.so is no shared object", done.stderr)

    def test_usage_a_file_of_another_name_is_checked_on(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            file = shutil.copy(MODULES / "plugins/memory.so", pathlib.Path(folder) / "other.so")
            done = check("--only", "name,reads", file, "size=1M")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stdout, r"name .* BROKEN: it calls itself \"memory\", but its file \"other.so\"\n  reads .* kept\n")

    def test_usage_one_breach_is_told_once(self):
        done = check("--only", "held,race,same-thread,reads", FILTER, "lie=holds_mutex", "op=read")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stdout.count("while a lock was held"), 0 if SANITIZE else 1, done.stdout)

    def test_usage_what_each_request_leaves_behind_is_told_of_requests(self):
        done = check("--only", "left", PLUGIN, "lie=leaks_memory", "op=read")
        self.assertEqual(done.returncode, 1, done.stdout)
        if "address" in SANITIZE:  # the sanitizer has the memory and counts it itself
            self.assertIn("LeakSanitizer: detected memory leaks", done.stderr)
        else:
            self.assertIn("memory stays behind for each request", done.stdout)

    def test_usage_options_behind_the_module(self):
        done = check(MODULES / "plugins/memory.so", "size=1M", "--only", "reads", "--json")
        self.assertEqual([row["name"] for row in json.loads(done.stdout)["promises"]], ["reads"])

    def test_usage_a_sequence_is_made_short(self):
        words = ["--only", "sequences", "--seed", "3", FILTER, "lie=wrong_place", "op=write"]
        done = check(*words)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("with --seed 3:", done.stdout)
        steps = [line for line in done.stdout.splitlines() if line.startswith("    ")]
        self.assertIn(len(steps), (1, 2), done.stdout)
        self.assertTrue(all(line.split()[0] in ("read", "write", "zero") for line in steps), done.stdout)
        self.assertEqual(check(*words).stdout, done.stdout)
        again = done.stdout.splitlines()[-2]
        self.assertEqual(again, f"  again: ashlar-check --only sequences --seed 3 {FILTER} lie=wrong_place op=write")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-k", f"test_{os.environ['ASHLAR_PART']}"], verbosity=2)
