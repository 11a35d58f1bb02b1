#!/usr/bin/env python3
"""Makes the manual pages of what the READMEs, the command line and the modules tell of themselves.

usage: pages.py SOURCE ASHLAR VERSION DATE FOLDER

SOURCE is the tree, ASHLAR the program that was built, whose modules are found beside it. Writes ashlar.1, ashlar-trace.1,
ashlar.toml.5 and ashlar-MODULE.7 into FOLDER."""

import json
import pathlib
import re
import subprocess
import sys

import markdown
from roff import Page

SOURCE, ASHLAR, VERSION, DATE, FOLDER = pathlib.Path(sys.argv[1]), *sys.argv[2:5], pathlib.Path(sys.argv[5])
# Which of README.md's sections stand in which page.
SECTIONS = {"ashlar(1)": ("Commands", "Started by anything", "While it runs"),
            "ashlar.toml(5)": ("A config to start from", "Sandbox", "TLS", "Modules")}
# Where files of the tree are that pages name, below the place where ashlar is installed.
DOCUMENTS = "share/doc/ashlar"
MANUALS = {"1": "User Commands", "5": "File Formats", "7": "ashlar modules"}
# Paragraphs for who reads the sources.
OF_SOURCES = ("Open first:", "Tests:", "Held by ")


def told(*words):
    return json.loads(subprocess.run([ASHLAR, *words, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout)


def page(title, summary, blocks, anchors=()):
    """Writes the page `title`, "ashlar(1)". `anchors` are the headings that links within it lead to."""
    name, section = re.fullmatch(r"(.+)\((\d)\)", title).groups()

    def link(text, target):
        if module := re.search(r"(?:plugins|filters|\.\.)/([\w-]+)/README\.md$", target):
            if module[1] in MODULES:
                return f"**ashlar-{module[1]}**(7)"
        if target.startswith("#") and target[1:] not in anchors and target[1:] in PLACES:
            heading, other = PLACES[target[1:]]
            return f"*{heading}* in **{other[:-3]}**{other[-3:]}"
        if target.startswith(("host/", "examples/")):
            file = f"`{DOCUMENTS}/{target}`"
            return file if text == target else f"{text} ({file})"
        return f"{text} <{target}>" if target.startswith("http") else text

    out = Page(name, section, DATE, f"ashlar {VERSION}", MANUALS[section], link)
    out.add([("heading", 2, "NAME"), ("paragraph", f"{name} - {summary}"),
             *(block for block in blocks if block[0] != "paragraph" or not block[1].startswith(OF_SOURCES))])
    (FOLDER / f"{name}.{section}").write_text(out.text())


def synopsis(command):
    words = [f"ashlar {command['command']}"]
    words += ["[OPTION...]"] if command["options"] else []
    for operand in command["operands"]:
        word = operand["name"] + ("..." if operand["repeats"] else "")
        words.append(word if operand["required"] else f"[{word}]")
    return " ".join(words)


def described(command):
    """A subsection: the command with its operands and options."""
    yield "heading", 3, f"ashlar {command['command']}"
    yield "paragraph", sentence(command["help"])
    yield "code", [synopsis(command)]
    rows = [[f"*{operand['name']}*", sentence(operand["help"])] for operand in command["operands"]]
    for option in command["options"]:
        names = ", ".join(f"`{name}`" for name in option["names"])
        value = f" *{option['value']}*" if option["value"] else ""
        rows.append([names + value, sentence(option["help"]) + (" Needed." if option["required"] else "")])
    yield "table", [["", ""], *rows]


def sentence(text):
    # CLI11's texts are plain: what Markdown would see in them is none.
    return re.sub(r"([$][\w]+)", r"`\1`", text).rstrip(".") + "."


def is_of_exit_codes(block):
    return block[0] == "table" and block[1][0][0] == "exit code"


def of_readme(title):
    for heading in SECTIONS[title]:
        yield "heading", 2, heading
        yield from (block for block in README[heading] if not is_of_exit_codes(block))


def exit_status():
    """A section of its own, where readers of manuals look for it."""
    (_, (_, *rows)), = (block for block in README["Commands"] if is_of_exit_codes(block))
    return [("heading", 2, "EXIT STATUS"), ("table", [["", ""], *rows])]


def anchors_of(title):
    return {markdown.anchor(block[2]) for block in of_readme(title) if block[0] == "heading"}


def see_also(title):
    others = [other for other in ("ashlar(1)", "ashlar-trace(1)", "ashlar.toml(5)") if other != title]
    if not title.endswith("(7)"):
        others += [f"ashlar-{module}(7)" for module in MODULES if f"ashlar-{module}(7)" != title]
    return [("heading", 2, "SEE ALSO"), ("paragraph", ", ".join(f"**{other[:-3]}**{other[-3:]}" for other in others))]


def program_pages():
    commands = told("help")
    own = [command for command in commands if not command["command"].startswith("trace ")]
    of_trace = [command for command in commands if command["command"].startswith("trace ")]
    page("ashlar(1)", "an NBD server of plugins and filters",
         [("heading", 2, "SYNOPSIS"), ("code", [synopsis(command) for command in own] + ["ashlar trace COMMAND ..."]),
          ("heading", 2, "DESCRIPTION"), *README["ashlar"][:1],
          *of_readme("ashlar(1)"),
          ("heading", 2, "OPTIONS"), *(block for command in own for block in described(command)), *exit_status(),
          *see_also("ashlar(1)")],
         anchors_of("ashlar(1)"))
    page("ashlar.toml(5)", "what an ashlar server serves, and how",
         [*of_readme("ashlar.toml(5)"), *see_also("ashlar.toml(5)")], anchors_of("ashlar.toml(5)"))
    answers = markdown.sections(markdown.blocks((SOURCE / "filters/trace/README.md").read_text()))["The answers"]
    page("ashlar-trace(1)", "answers from what the filter trace has recorded",
         [("heading", 2, "SYNOPSIS"), ("code", [synopsis(command) for command in of_trace]), ("heading", 2, "DESCRIPTION"), *answers,
          ("heading", 2, "OPTIONS"), *(block for command in of_trace for block in described(command)), *see_also("ashlar-trace(1)")])


def module_page(name):
    module = told("inspect", name)[0]
    title, *blocks = markdown.blocks((SOURCE / f"{module['kind']}s" / name / "README.md").read_text())
    assert title == ("heading", 1, name), title
    page(f"ashlar-{name}(7)", f"{module['summary']} ({module['kind']} of ashlar)",
         [("heading", 2, "DESCRIPTION"), *blocks, *see_also(f"ashlar-{name}(7)")])


README = markdown.sections(markdown.blocks((SOURCE / "README.md").read_text()))
MODULES = sorted({module["name"] for module in told("list")})
PLACES = {}
for one in SECTIONS:
    PLACES |= {markdown.anchor(block[2]): (block[2], one) for block in of_readme(one) if block[0] == "heading"}
FOLDER.mkdir(parents=True, exist_ok=True)
program_pages()
for one in MODULES:
    module_page(one)
