#!/usr/bin/env python3
"""The SDK as an author meets it: installed in a folder of its own, used from outside the tree.

usage: installed.py BUILD

Installs BUILD to a temporary prefix, builds the examples that lie there against it, and runs them: ashlar-check, the author's own
test, and the installed program, which also has to find its own modules there."""
import os
import re
import shlex
import shutil

from author import BUILD, ENVIRONMENT, Author, main, need, run


class Installed(Author):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.documents = cls.prefix / "share/doc/ashlar"
        cls.examples = cls.documents / "examples"
        cls.ram = cls.build("01_plugin") / "ram.so"
        cls.invert = cls.build("02_filter") / "invert.so"
        cls.far = cls.build("05_far_disk") / "far.so"
        cls.numbers = cls.build("04_plugin_in_c") / "numbers.so"

    @classmethod
    def build(cls, example):
        return cls.build_with_cmake(cls.examples / example)

    def config(self, text):
        file = self.root / f"{self.id().rsplit('.', 1)[-1]}.toml"
        file.write_text(text)
        return file

    def test_examples_keep_the_promises_of_a_module(self):
        for words in ([self.ram, "size=1M"], [self.invert], [self.numbers]):
            with self.subTest(module=words[0].name):
                self.keeps_its_promises(*words)

    def test_a_module_exports_one_symbol(self):
        for module in (self.ram, self.invert, self.numbers):
            with self.subTest(module=module.name):
                symbols = [line.split()[-1] for line in run("nm", "-D", "--defined-only", module).splitlines()]
                self.assertEqual(symbols, ["ashlar_entry"])

    def test_the_authors_own_test_passes(self):
        folder = self.build("03_test")
        said = run("ctest", "--test-dir", folder, "--output-on-failure")
        self.assertIn("100% tests passed", said)

    def test_each_module_has_a_test_of_its_promises(self):
        for module, name in ((self.ram, "check-plugin-ram"), (self.invert, "check-filter-invert"),
                             (self.numbers, "check-plugin-numbers"), (self.far, "check-plugin-far")):
            with self.subTest(module=module.name):
                said = run("ctest", "--test-dir", module.parent, "-R", f"^{name}$", "--output-on-failure")
                self.assertIn("100% tests passed, 0 tests failed out of 1", said)

    def test_the_test_of_a_modules_promises_takes_arguments_and_can_fail(self):
        source = self.root / "not_so_long"
        shutil.copytree(self.examples / "01_plugin", source)
        file = source / "CMakeLists.txt"
        words = "CHECK_ARGS --write size=1M"
        self.assertIn(words, file.read_text())
        file.write_text(file.read_text().replace(words, "CHECK_ARGS size=1X"))
        said = run("ctest", "--test-dir", self.build_with_cmake(source), "--output-on-failure", code=8)
        self.assertIn("does not end in a known unit", said)
        file.write_text(file.read_text().replace("CHECK_ARGS size=1X", "NO_CHECK"))
        self.assertIn("No tests were found", run("ctest", "--test-dir", self.build_with_cmake(source)))

    def test_the_program_loads_what_was_built_outside(self):
        file = self.config(f"""
[server]
listen = ["unix:{self.root}/never-opened.sock"]
[[export]]
name = "disk"
  [[export.filter]]
  type = "{self.invert}"
  [[export.filter]]
  type = "align"
  [export.plugin]
  type = "{self.ram}"
  size = "1M"
""")
        said = run(self.ashlar, "check", file)
        for word in ("invert", "align", "ram"):
            self.assertIn(word, said)

    def test_inspect_shows_the_table(self):
        said = run(self.ashlar, "inspect", self.ram)
        for word in ("ram", "a disk in memory", "size", "64M"):
            self.assertIn(word, said)

    def test_list_finds_modules_beside_the_installed_program(self):
        said = run(self.ashlar, "list")
        for word in ("memory", "file", "log", "align", "zero-emulation"):
            self.assertIn(word, said)

    def test_bytes_survive_a_chain_of_modules_built_outside(self):
        file = self.config(f"""
[[export]]
name = "disk"
  [[export.filter]]
  type = "{self.invert}"
  [export.plugin]
  type = "{self.ram}"
  size = "1M"
[[export]]
name = "numbers"
  [export.plugin]
  type = "{self.numbers}"
  size = "1M"
""")
        image, back = self.root / "random.img", self.root / "back.img"
        image.write_bytes(os.urandom(1 << 20))
        with self.serving(file) as uri_of:
            run("nbdcopy", image, uri_of("disk"))
            run("nbdcopy", uri_of("disk"), back)
            self.assertEqual(back.read_bytes(), image.read_bytes())
            run("nbdcopy", uri_of("numbers"), back)
        expected = b"".join(at.to_bytes(8, "big") for at in range(0, 1 << 20, 8))
        self.assertEqual(back.read_bytes(), expected)


    def far_config(self, **changed):
        """A config of the fifth example with parameters of each type, in a folder of the test's own."""
        folder = self.root / self.id().rsplit(".", 1)[-1]
        folder.mkdir(exist_ok=True)
        (folder / "far.img").write_bytes(os.urandom(2 << 20))
        (folder / "token").write_text("open sesame\n")
        (folder / "token").chmod(0o600)
        values = {"path": '"far.img"', "latency": "5", "order": '"offset"', "cache": '"64K"', "write_through": "true",
                  "bad": '["1M", 1049600]', "user": '"mason"', "token": '{ file = "token" }', **changed}
        lines = [f"  {key} = {value}" for key, value in values.items()]
        file = folder / "far.toml"
        file.write_text("\n".join(["[[export]]", 'name = "far"', "  [export.plugin]", f'  type = "{self.far}"', *lines, ""]))
        return file

    def test_the_full_plugin_keeps_its_promises(self):
        self.assertIn("100% tests passed", run("ctest", "--test-dir", self.far.parent, "--output-on-failure"))
        self.keeps_its_promises(self.far, f"path={self.far_config().parent}/far.img", "latency=0")

    def test_the_full_plugin_serves(self):
        file = self.far_config()
        image, back = file.parent / "far.img", file.parent / "back.img"
        with self.serving(file) as uri_of:
            uri = uri_of("far")
            run("qemu-io", "-f", "raw", "-c", "write -f -P 0x5a 64k 100k", "-c", "read -P 0x5a 64k 100k", "-c", "flush", uri)
            self.assertEqual(image.read_bytes()[65536:65536 + 102400], b"\x5a" * 102400)
            said = run("qemu-io", "-f", "raw", "-c", f"read {1049600 + 256} 512", uri, code=1)
            self.assertIn("Input/output error", said)
            (file.parent / "random.img").write_bytes(os.urandom(1 << 20))
            # Many at once, in two connections.
            run("qemu-img", "convert", "-n", "-m", "16", "-W", "-f", "raw", "-O", "raw", file.parent / "random.img", uri)
            run("qemu-io", "-f", "raw", "-c", "read 0 1M", uri)
        self.assertEqual(image.read_bytes()[:1 << 20], (file.parent / "random.img").read_bytes())

    def test_the_full_plugins_config_is_good(self):
        folder = self.root / "far-config"
        folder.mkdir()
        shutil.copy(self.examples / "05_far_disk/far.toml", folder)
        (folder / "build").symlink_to(self.far.parent)
        run("truncate", "-s", "64M", folder / "far.img")
        said = run(self.ashlar, "check", folder / "far.toml", env={**ENVIRONMENT, "FAR_TOKEN": "open sesame"})
        self.assertIn("OK", said)
        self.assertNotIn("sesame", said)

    def test_the_full_plugin_tells_the_place_of_a_mistake(self):
        for key, value, text in (("path", '"gone.img"', "gone.img: No such file or directory"),
                                 ("bad", '["1G"]', "1073741824 is past the end: the disk has 2097152 bytes"),
                                 ("token", '"short"', "the store refuses it: it has at least 8 characters"),
                                 ("order", '"size"', "arrival")):
            with self.subTest(key=key):
                file = self.far_config(**{key: value})
                line = [text.split()[:1] for text in file.read_text().splitlines()].index([key]) + 1
                said = run(self.ashlar, "check", file, code=2)
                self.assertIn(f"far.toml:{line}:", said)
                self.assertIn(text, said)
                self.assertNotIn("short", said)

    def test_the_readme_leads_from_an_installation_to_a_served_disk(self):
        text = (self.documents / "sdk/README.md").read_text()
        steps = re.search(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)
        steps = steps.replace("/opt/ashlar", str(self.prefix)).replace("--install build ", f"--install {BUILD} ")
        steps = steps.strip().splitlines()
        at = next(number for number, step in enumerate(steps) if step.startswith("ashlar serve "))
        steps, serve, clients = steps[:at], steps[at], steps[at + 1:]
        folder = self.root / "readme"
        folder.mkdir()
        said = run("sh", "-euc", "\n".join(steps), cwd=folder)
        self.assertIn("100% tests passed", said)
        program, command, config = shlex.split(serve, comments=True)
        self.assertEqual((program, command), ("ashlar", "serve"))
        with self.serving(folder / config) as uri_of:
            # The port that is the default may be taken by others here.
            clients = "\n".join(clients).replace("nbd://127.0.0.1/disk", shlex.quote(uri_of("disk")))
            said = run("sh", "-euc", clients)
        for words in ("export-size: 67108864", "wrote 65536/65536 bytes", "read 65536/65536 bytes"):
            self.assertIn(words, said)

    def test_the_readme_names_all_headers(self):
        text = (self.documents / "sdk/README.md").read_text()
        headers = [file.name for file in (self.prefix / "include/ashlar").iterdir() if file.is_file()]
        self.assertIn("abi.h", headers)
        self.assertEqual([name for name in headers if not re.search(rf"\b{re.escape(name)}\b", text)], [])

    def test_links_lead_somewhere(self):
        pages = list(self.documents.rglob("*.md"))
        self.assertTrue({"README.md", "sdk/README.md", "examples/README.md", "plugins/file/README.md"}
                        <= {str(page.relative_to(self.documents)) for page in pages})
        self.assertTrue((self.documents / "LICENSE").is_file())
        dead = []
        for page in pages:
            for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
                target = (page.parent / link).resolve()
                top = target.relative_to(self.documents).parts[0]
                # The sources are not installed, nor what is of use only with them.
                of_source = top in ("host", "tests", ".ci") or (top in ("plugins", "filters") and target.suffix in (".cpp", ".hpp"))
                if not of_source and not target.exists():
                    dead.append(f"{page}: {link}")
        self.assertEqual(dead, [])

    def keeps_and_exports(self, module):
        self.keeps_its_promises(module, "size=1M")
        self.assertEqual([line.split()[-1] for line in run("nm", "-D", "--defined-only", module).splitlines()], ["ashlar_entry"])

    def test_a_module_is_built_with_make(self):
        need("make", "pkg-config")
        folder = shutil.copytree(self.examples / "01_plugin", self.root / "with-make")
        run("make", "-C", folder, env={**ENVIRONMENT, "PKG_CONFIG_PATH": str(self.prefix / "lib/pkgconfig")})
        self.keeps_and_exports(folder / "ram.so")

    def test_a_module_is_built_with_meson(self):
        need("meson", "pkg-config")
        folder = shutil.copytree(self.examples / "01_plugin", self.root / "with-meson")
        run("meson", "setup", "--pkg-config-path", self.prefix / "lib/pkgconfig", folder / "build", folder)
        run("meson", "compile", "-C", folder / "build")
        self.keeps_and_exports(folder / "build/ram.so")

    def test_a_module_is_optimised_unless_told_otherwise(self):
        def flags(*options):
            folder = self.root / f"flags{len(options)}"
            run("cmake", "-S", self.examples / "01_plugin", "-B", folder, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options, env={**ENVIRONMENT, "CXXFLAGS": ""})
            return (folder / "compile_commands.json").read_text()

        for flag in ("-O3", "-DNDEBUG", "-Wall", "-Wextra"):
            self.assertIn(flag, flags())
        self.assertNotIn("-O3", flags("-DCMAKE_BUILD_TYPE=Debug"))

    def test_the_package_knows_its_version(self):
        for asked, code in (("1.0", 0), ("1.1", 1), ("2.0", 1)):
            folder = self.root / f"asks-{asked}"
            folder.mkdir()
            (folder / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.25)\nproject(asks LANGUAGES NONE)\n"
                                                   f"find_package(ashlar-sdk {asked} REQUIRED)\n")
            run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", code=code)


if __name__ == "__main__":
    main()
