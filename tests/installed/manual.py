"""The manual pages: all there, without fault, and with every option, key and parameter."""

import json
import re
import shutil

from frame import BUILD, PROGRAM, ROOT, Case, main, run

PAGES = BUILD / "host" / "man" / "pages"
MODULES = {module["name"]: module for module in json.loads(run(PROGRAM, "list", "--json"))}


def rows_of(text, heading):
    """Of the first table in a README whose first cell is `heading`."""
    table = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)*)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()] if table else []


class Manual(Case):
    def pages(self):
        names = ["ashlar.1", "ashlar-trace.1", "ashlar.toml.5", *(f"ashlar-{name}.7" for name in MODULES)]
        for name in names:
            self.assertTrue((PAGES / name).is_file(), name)
        return [PAGES / name for name in names]

    def shown(self, name):
        """As a reader sees it, without the breaks of lines."""
        text = run("env", "LC_ALL=C.UTF-8", "MANWIDTH=200", "MAN_KEEP_FORMATTING=", "GROFF_NO_SGR=1", "man", "-P",
                   "cat", "-l", PAGES / name)
        return " ".join(re.sub(r".\x08", "", text).replace("\u2019", "'").split())

    def test_they_have_no_fault(self):
        for page in self.pages():
            self.assertEqual(run("mandoc", "-Tlint", page, ok=False).stdout, "")
            self.assertEqual(run("groff", "-man", "-ww", "-z", "-rF0", page), "")

    def test_a_fault_is_found(self):
        text = (PAGES / "ashlar.1").read_text()
        broken = self.write("ashlar.1", text.replace(".RE", ".RF", 1))
        self.assertIn("unknown macro", run("mandoc", "-Tlint", broken, ok=False).stdout)

    def test_man_shows_them(self):
        for page in self.pages():
            shown = self.shown(page.name)
            self.assertTrue(shown.startswith(page.stem.upper() + "(" + page.suffix[1:] + ")"), shown[:100])
            self.assertRegex(shown, rf" NAME {re.escape(page.stem)} - \w")
            # What only Markdown or the page's source has.
            self.assertNotRegex(shown, r"\]\(|\*\*|`|\\f[BIP]|\\\(")

    def test_every_command_and_option_is_told(self):
        commands = json.loads(run(PROGRAM, "help", "--json"))
        self.assertGreater(len(commands), 20)
        shown = {page: self.shown(page) for page in ("ashlar.1", "ashlar-trace.1")}
        for command in commands:
            name = command["command"]
            page = shown["ashlar-trace.1" if name.startswith("trace ") else "ashlar.1"]
            section = page[page.index(" OPTIONS ") :]
            section = section[section.index(f" ashlar {name} ") :]
            for option in command["options"]:
                words = f"{', '.join(option['names'])} {option['value'] or ''}".strip()
                self.assertIn(words, section, name)
                self.assertIn(" ".join(option["help"].split()).rstrip("."), section, name)

    def test_every_section_of_readme_is_in_a_page(self):
        of_sources = {"The path of a request", "Layout", "Tests"}
        sections = set(re.findall("^## (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE))
        titles = "".join((PAGES / name).read_text() for name in ("ashlar.1", "ashlar.toml.5"))
        self.assertEqual({name for name in sections if f"\n.SH {name.upper()}\n" not in titles}, of_sources)

    def test_every_key_of_the_config_is_told(self):
        shown = self.shown("ashlar.toml.5")
        readme = (ROOT / "README.md").read_text()
        for heading in ("`[server]` key", "`[[export]]` key", "key of `tls`", "key"):
            rows = rows_of(readme, heading)
            self.assertGreater(len(rows), 4, heading)
            for row in rows:
                self.assertIn(f" {row[0].replace('`', '')} ", shown)

    def test_tables_of_keys_are_told_apart(self):
        page = (PAGES / "ashlar.toml.5").read_text()
        for heading in ("[server] keys", "[[export]] keys", "keys of tls"):
            self.assertIn(f"\n.SS {heading}\n", page)

    def test_the_exit_status_has_a_section(self):
        section = self.shown("ashlar.1").partition(" EXIT STATUS ")[2]
        for code in (" 0 all was well", " 1 something failed", " 2 a mistake"):
            self.assertIn(code, f" {section}")

    def test_files_that_they_name_are_installed(self):
        rules = (BUILD / "cmake_install.cmake").read_text()
        text = "".join(re.sub(r"\\f.|\\", "", page.read_text()) for page in self.pages())
        named = {name.rstrip(".") for name in re.findall(r"share/doc/ashlar/([\w/.-]+)", text)}
        self.assertIn("host/control/README.md", named)
        for name in named:
            self.assertTrue((ROOT / name).exists(), name)
            self.assertTrue(name.startswith("examples") or f"/{name}" in rules, name)

    def test_each_module_is_told_with_its_parameters(self):
        for name, module in MODULES.items():
            readme = (ROOT / f"{module['kind']}s" / name / "README.md").read_text()
            rows = {row[0].strip("`"): row for row in rows_of(readme, "name") or rows_of(readme, "parameter")}
            parameters = json.loads(run(PROGRAM, "inspect", name, "--json"))[0]["parameters"]
            self.assertEqual(set(rows), {parameter["name"] for parameter in parameters}, name)
            shown = self.shown(f"ashlar-{name}.7")
            self.assertIn(f"{module['summary']} ({module['kind']} of ashlar)", shown)
            for parameter in parameters:
                self.assertIn(f" {parameter['name']} (type: ", shown)
                default = parameter["default"]
                if default is not None:
                    self.assertIn(default, rows[parameter["name"]][2], f"{name}: {parameter['name']}")

    def test_they_are_installed(self):
        run("cmake", "--install", BUILD, "--prefix", self.folder / "usr")
        installed = {path.name for path in (self.folder / "usr" / "share" / "man").glob("man?/*")}
        self.assertEqual(installed, {page.name for page in self.pages()})


if __name__ == "__main__":
    if not PAGES.is_dir() or shutil.which("groff") is None:
        print("skipped: the build has made no manual, or there is no groff")
        raise SystemExit(77)
    main(needs=("mandoc", "man"))
