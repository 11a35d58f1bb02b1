"""The loads as a drawing (SVG): for each load one group of bars, operations on the left and server CPU on the right, both as
ratios to nbdkit."""

from xml.sax.saxutils import escape

from peers import BASE

_COLOURS = {"ashlar": "#2f6f8f", "nbdkit": "#b9b9b9", "qemu-nbd threads": "#d8b26e", "qemu-nbd io_uring": "#c58a4a",
            "nbd-server": "#a3b18a"}
_OTHER = "#999999"
_BAR, _GAP, _GROUP_GAP = 11, 2, 16      # pixels
_LABEL, _PANEL, _BETWEEN, _EDGE = 300, 330, 70, 24
_TOP = 108


def _text(x, y, words, **how):
    style = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in how.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def _scale(most):
    """A round end of the axis, and the step between its lines."""
    step = next(s for s in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100) if most / s <= 6)
    return (int(most / step) + 1) * step, step


class _Panel:
    """Bars that are longer than `longest` are cut; their numbers tell."""

    def __init__(self, left, title, values, longest):
        self.left, self.title = left, title
        self.end, self.step = _scale(min(max(values), longest))

    def x(self, value):
        return self.left + min(value, self.end) / self.end * _PANEL

    def frame(self, bottom):
        parts = [_text(self.left, _TOP - 30, self.title, font_size=13, fill="#333333")]
        for value in sorted({1.0, *(i * self.step for i in range(round(self.end / self.step) + 1))}):
            strong = value == 1  # the base
            parts.append(f'<line x1="{self.x(value):.1f}" y1="{_TOP - 8}" x2="{self.x(value):.1f}" y2="{bottom}" '
                         f'stroke="{"#777777" if strong else "#e4e4e4"}" stroke-width="1"/>')
            parts.append(_text(self.x(value), _TOP - 13, f"{value:g}", font_size=10, fill="#777777", text_anchor="middle"))
        return parts

    def bar(self, y, value, colour):
        return [f'<rect x="{self.left}" y="{y}" width="{max(1.0, self.x(value) - self.left):.1f}" height="{_BAR}" fill="{colour}"/>',
                _text(self.x(value) + 4, y + _BAR - 2, f"{value:.2f}", font_size=10, fill="#555555")]


def _ratios(table):
    """[(load, [(server, ops ratio, CPU ratio)])] of the loads that the base was measured on."""
    groups = []
    for load, servers in table.items():
        base = servers.get(BASE)
        if base and base["ops"] and base["cpu"]:
            groups.append((load, [(name, row["of_base"]["ops"], row["of_base"]["cpu"]) for name, row in servers.items()
                                  if {"ops", "cpu"} <= row["of_base"].keys()]))
    return groups


def _legend(names, y):
    parts, x = [], _LABEL
    for name in names:
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{_COLOURS.get(name, _OTHER)}"/>')
        parts.append(_text(x + 15, y, name, font_size=11, fill="#333333"))
        x += 40 + 7 * len(name)
    return parts


def svg(table, title):
    """The drawing, or None when there is nothing to compare with."""
    groups = _ratios(table)
    if not groups:
        return None
    rows = [row for _, servers in groups for row in servers]
    panels = (_Panel(_LABEL, "operations per second, × nbdkit (more is better)", [row[1] for row in rows], 10),
              _Panel(_LABEL + _PANEL + _BETWEEN, "server CPU per operation, × nbdkit (less is better)", [row[2] for row in rows], 4))
    body, y = [], _TOP
    for load, servers in groups:
        height = len(servers) * (_BAR + _GAP)
        body.append(_text(_LABEL - 12, y + height / 2 + 3, load, font_size=11, fill="#333333", text_anchor="end"))
        for name, *values in servers:
            for panel, value in zip(panels, values):
                body += panel.bar(y, value, _COLOURS.get(name, _OTHER))
            y += _BAR + _GAP
        y += _GROUP_GAP
    bottom = y - _GROUP_GAP + 6
    width = _LABEL + 2 * _PANEL + _BETWEEN + _EDGE + 20
    names = list(dict.fromkeys(row[0] for row in rows))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + _EDGE}" '
             f'viewBox="0 0 {width} {bottom + _EDGE}" font-family="sans-serif">',
             f'<rect width="{width}" height="{bottom + _EDGE}" fill="#ffffff"/>',
             _text(_EDGE, 26, title, font_size=15, fill="#222222"), *_legend(names, 48)]
    for panel in panels:
        parts += panel.frame(bottom)
    return "\n".join([*parts, *body, "</svg>"]) + "\n"
