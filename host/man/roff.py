"""A manual page in man(7), from blocks of markdown.py."""

import re
import textwrap

import markdown

_LETTERS = {"\\": r"\e", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", "-": r"\-", "…": r"\&...", "→": r"\(->",
            "×": r"\(mu", "–": r"\(en", "≤": r"\(<=", "≥": r"\(>="}
_FONTS = {"code": "B", "bold": "B", "italic": "I"}


def escaped(text, hyphens=False):
    """`hyphens`: of prose, which may be hyphens, else the sign that a shell wants."""
    letters = {**_LETTERS, "-": "-", "'": r"\(cq"} if hyphens else _LETTERS
    return "".join(letters.get(letter, letter if ord(letter) < 128 else rf"\[u{ord(letter):04X}]") for letter in text)


def _line(text):
    """What begins like a request is none."""
    return rf"\&{text}" if text[:1] in (".", "'") else text


class Page:
    """`link(text, target)` gives what is to stand for a link, as Markdown."""

    def __init__(self, name, section, date, source, manual, link):
        self._link = link
        self._lines = [f'.TH {escaped(name.upper())} {section} "{date}" "{source}" "{manual}"']

    def text(self):
        return "\n".join(self._lines) + "\n"

    def add(self, blocks):
        for kind, *rest in blocks:
            getattr(self, "_add_" + kind)(*rest)

    def _inline(self, text):
        out = ""
        for span in markdown.spans(text):
            if span[0] == "link":
                out += self._inline(self._link(*span[1:]))
            elif span[0] == "text":
                out += escaped(span[1], hyphens=True)
            elif span[0] == "code":
                out += rf"\fB{escaped(span[1])}\fP"
            else:
                out += rf"\f{_FONTS[span[0]]}{escaped(span[1], hyphens=True)}\fP"
        return out

    def _flow(self, text):
        lines = textwrap.wrap(self._inline(text), 78, break_long_words=False, break_on_hyphens=False)
        self._lines += [_line(line) for line in lines]

    def _add_heading(self, level, text):
        words = re.sub(r"[`*]", "", text)
        self._lines.append(f".SH {escaped(words.upper(), True)}" if level <= 2 else f".SS {escaped(words, True)}")

    def _begin(self):
        """A paragraph; behind a heading there is one already."""
        if not self._lines[-1].startswith((".SH", ".SS")):
            self._lines.append(".PP")

    def _add_paragraph(self, text):
        self._begin()
        self._flow(text)

    def _add_code(self, lines):
        self._begin()
        self._lines += [".RS 4", ".nf", *(_line(escaped(line)) or r"\&" for line in lines), ".fi", ".RE"]

    def _add_item(self, text):
        self._lines.append(r".IP \(bu 2")
        self._flow(text)

    def _add_term(self, term, texts):
        self._lines.append(".TP")
        self._lines.append(_line(self._inline(term)))
        for number, text in enumerate(texts):
            if number:
                self._lines.append(".IP")
            self._flow(text)

    def _add_table(self, rows):
        """As a list of terms. Without a heading the last column is what there is to say of the first."""
        headings, *rows = rows
        if re.search(r"\bkey\b", headings[0]):  # one of several tables of keys
            self._add_heading(3, re.sub(r"\bkey\b", "keys", headings[0]))
        for term, *cells in rows:
            named = [(heading, cell) for heading, cell in zip(headings[1:], cells) if heading and cell]
            plain = [cell for heading, cell in zip(headings[1:], cells) if not heading and cell]
            if len(headings) == 2:
                self._add_term(term, cells)
            elif plain:
                self._add_term(f"{term} ({'; '.join(f'{heading}: {cell}' for heading, cell in named)})", plain)
            else:
                self._add_term(term, [f"{heading}: {cell}" for heading, cell in named])
