"""The Markdown that the READMEs are written in: a file into blocks, a text into spans.

Blocks are tuples: ("heading", level, text), ("paragraph", text), ("code", lines), ("item", text), ("table", rows), where rows are
lists of cells and the first has the headings. Spans are tuples: ("text" | "code" | "bold" | "italic", text), ("link", text, target)."""

import re

_INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\[(?P<text>(?:`[^`]*`|[^\]])+)\]\((?P<target>[^)]+)\)"
                     r"|<(?P<address>https?://[^>]+)>|(?<![\w*])\*(?P<italic>[^*\s][^*]*)\*")


def spans(text):
    found, at = [], 0
    for match in _INLINE.finditer(text):
        if match.start() > at:
            found.append(("text", text[at:match.start()]))
        at = match.end()
        kind = match.lastgroup if match.lastgroup != "target" else "link"
        if kind == "link":
            found.append(("link", match["text"], match["target"]))
        else:
            found.append(("text" if kind == "address" else kind, match[match.lastgroup]))
    if at < len(text):
        found.append(("text", text[at:]))
    return found


def _cells(row):
    """Of a table's row; a `|` between backquotes is no border."""
    cells, quoted = [""], False
    for letter in row.strip()[1:-1]:
        quoted ^= letter == "`"
        if letter == "|" and not quoted:
            cells.append("")
        else:
            cells[-1] += letter
    return [cell.strip() for cell in cells]


def blocks(text):
    found, lines, at = [], text.splitlines(), 0

    def take(belongs):
        nonlocal at
        first = at
        while at < len(lines) and belongs(lines[at]):
            at += 1
        return lines[first:at]

    def starts_a_block(line):
        return not line.strip() or re.match(r"#+ |- |\||```", line)

    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif heading := re.match(r"(#+) (.*)", line):
            found.append(("heading", len(heading[1]), heading[2]))
            at += 1
        elif line.startswith("```"):
            at += 1
            found.append(("code", take(lambda one: not one.startswith("```"))))
            at += 1
        elif line.startswith("    "):
            code = take(lambda one: one.startswith("    ") or not one.strip())
            found.append(("code", [one[4:] for one in "\n".join(code).rstrip().split("\n")]))
        elif line.startswith("|"):
            rows = [_cells(one) for one in take(lambda one: one.startswith("|"))]
            found.append(("table", [row for row in rows if not all(re.fullmatch(":?-+:?", cell) for cell in row)]))
        elif line.startswith("- "):
            at += 1
            more = take(lambda one: not starts_a_block(one))
            found.append(("item", " ".join([line[2:], *(one.strip() for one in more)])))
        else:
            at += 1
            more = take(lambda one: not starts_a_block(one))
            found.append(("paragraph", " ".join([line.strip(), *(one.strip() for one in more)])))
    return found


def sections(found, level=2):
    """The blocks by the headings of a level, in order; those before the first by ""."""
    by_heading = {"": []}
    for block in found:
        if block[0] == "heading" and block[1] <= level:
            by_heading[block[2]] = []
        else:
            list(by_heading.values())[-1].append(block)
    return by_heading


def anchor(heading):
    """What links in the same file call a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
