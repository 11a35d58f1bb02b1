"""`ashlar trace report --html` in headless Chromium: it draws, has the right numbers, zooms, and says nothing."""

import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import unittest

from lib.case import Case, main, skip
from lib.images import MIB
from lib.server import PROGRAM

try:
    from lib.browser import PROGRAM as BROWSER, Browser
    from lib.trace_writer import TraceWriter
except ImportError:
    skip("needs xxhash for Python (python3-xxhash)")

US = 1000
# Linear RGB as those see it who lack the cones for red, green or blue. (Machado, Oliveira and Fernandes 2009)
SIGHT = {"full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
         "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
         "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
         "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900))}


def lab(colour, sight):
    """A colour in CIELAB, where equal distances look about equal."""
    def linear(c):
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    def root(t):
        return t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
    rgb = [linear(int(colour[at:at + 2], 16) / 255) for at in (1, 3, 5)]
    rgb = [min(1, max(0, sum(a * b for a, b in zip(row, rgb)))) for row in SIGHT[sight]]
    x, y, z = (root(sum(a * b for a, b in zip(row, rgb)))
               for row in ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8730)))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def busy(writer, some, at, requests, size):
    """Reads, writes and the rest, several under way at once."""
    all_of = []
    for _ in range(requests):
        at += int(some.expovariate(1 / 400)) * US
        op = some.choices(("read", "write", "flush", "trim", "zero"), (50, 40, 4, 3, 3))[0]
        hot = some.random() < 0.6
        offset = some.randrange((size // 8 if hot else size) // 4096 - 64) * 4096
        length = some.choice((512, 4096, 4096, 16384, 65536))
        took = int(some.lognormvariate(5, 0.9)) + (20000 if some.random() < 0.002 else 0)
        if op == "flush":
            offset, length, took = 0, 0, took * 8
        all_of.append((at + took * US, op, offset, length, at))
    for done, op, offset, length, start in sorted(all_of):
        writer.request(op, offset, length, start, done, done + 5 * US, result=5 if some.random() < 0.001 else 0,
                       depth=some.randrange(9))
    return at


class Html(Case):
    def trace(self, *words, code=0):
        done = subprocess.run([PROGRAM, "trace", *map(str, words)], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def setUp(self):
        super().setUp()
        empty = TraceWriter(self.folder / "empty.trace").begin().end()
        told = subprocess.run([PROGRAM, "trace", "report", "--html", str(empty)], capture_output=True, text=True,
                              timeout=600, check=False)
        self.drawn = "built without" not in told.stderr
        if not self.drawn:
            self.assertEqual(told.returncode, 2)
            self.assertIn("node-d3", told.stderr)

    def need_page(self):
        if not self.drawn:
            self.skipTest("this build has no pages")
        if not shutil.which(BROWSER):
            self.skipTest(f"needs {BROWSER}")

    def page_of(self, *traces):
        page = self.folder / "page.html"
        self.assertEqual(self.trace("report", "--html", "-o", page, *traces).stdout, "")
        return page

    def busy_trace(self, name="busy.trace", requests=4000, **own):
        writer = TraceWriter(self.folder / name).begin(size=str(256 * MIB), **own)
        busy(writer, random.Random(7), 10**9, requests, 256 * MIB)
        return writer.end()

    def looked_at(self, browser, name):
        """Screenshots stay where somebody asks for them."""
        if folder := os.environ.get("ASHLAR_SCREENSHOTS"):
            browser.screenshot(f"{folder}/{name}.png")

    def quiet(self, browser, page):
        self.assertEqual(browser.told, [])
        self.assertEqual([one for one in browser.asked if not one.startswith("data:")], [f"file://{page}"])

    def test_the_page_has_the_numbers_of_the_report_and_zooms(self):
        self.need_page()
        trace = self.busy_trace()
        page = self.page_of(trace)
        report = json.loads(self.trace("report", "--json", trace).stdout)
        with Browser(self.folder) as browser:
            browser.open(page)
            self.assertEqual(browser.value("JSON.parse(document.getElementById('report').textContent)"), report)
            self.assertEqual(browser.value("document.title"), "Trace of disk")
            self.assertIn("Copyright", browser.value("document.querySelector('script[type=\"text/plain\"]').textContent"))
            rows = browser.value("[...document.querySelectorAll('main table')[0].rows]"
                                 ".map((row) => [...row.cells].map((c) => c.textContent))")
            self.assertEqual([row[0] for row in rows[1:]], ["read", "write", "flush", "trim", "zero"])
            for row in rows[1:]:
                self.assertEqual(int(re.sub(r"\D", "", row[1])), report["places"][0]["ops"][row[0]]["count"])
            self.map_has_all(browser, report)
            self.series_have_all(browser, report)
            self.looked_at(browser, "light")
            self.map_zooms(browser)
            self.series_zoom(browser)
            self.hover_tells(browser)
            self.slowest_have_neighbours(browser, report)
            self.looked_at(browser, "zoomed")
            self.quiet(browser, page)

    def map_has_all(self, browser, report):
        sums = browser.value("Object.fromEntries(mapField(pictures.places[0].map, report.places[0]).planes.map((p) => "
                             "[p.name, d3.sum(p.cells, (c) => c.count)]))")
        ops = report["places"][0]["ops"]
        self.assertEqual(set(sums), {"read", "write", "trim", "zero"})
        for op, count in sums.items():  # one that touches two rows is in both
            self.assertGreaterEqual(count, ops[op]["count"])
            self.assertLess(count, 1.3 * ops[op]["count"])
        # Something is drawn in more than one colour.
        self.assertGreater(browser.value("new Set(new Uint32Array(document.querySelector('.grid canvas').getContext('2d')"
                                         ".getImageData(0, 0, 1000, 400).data.buffer)).size"), 50)

    def series_have_all(self, browser, report):
        ops = report["places"][0]["ops"]
        told = browser.value("drawn.map((one) => one.graph).filter(Boolean).map((g) => [g.getLabels(), g.rawData_.length])")
        self.assertEqual(told[0][0][1:3], ["read p50", "read p99"])
        # Times on a logarithmic scale are round.
        labels = browser.value("[...document.querySelectorAll('.series')[0].querySelectorAll('.dygraph-axis-label-y')]"
                               ".map((one) => one.textContent)")
        self.assertGreater(len(labels), 1)
        for label in labels:
            self.assertRegex(label, r"^[125]0{0,2} (ns|µs|ms|s)$")
        slices = len(report["places"][0]["timeline"]["slices"])
        self.assertEqual([rows for _, rows in told], [slices] * 4)
        for op in ops:
            sums = browser.value(f"(() => {{ const g = drawn.map((one) => one.graph).filter(Boolean)[2]; "
                                 f"const at = g.getLabels().indexOf('{op}'); "
                                 "return d3.sum(g.file_, (row) => row[at]) * report.places[0].timeline.slice_ns / 1e9; })()")
            self.assertAlmostEqual(sums, ops[op]["count"], delta=0.01)
            heat = browser.value(f"d3.sum(heatField(pictures.places[0].latencies.{op}, report.places[0].timeline, '{op}')"
                                 f".planes[0].cells, (c) => c.count)")
            self.assertEqual(heat, ops[op]["count"])

    def map_zooms(self, browser):
        scale = "document.querySelector('.grid canvas').dataset.scale"
        self.assertEqual(browser.value(scale), "1.000")
        browser.value("document.querySelector('button.in').click()")
        browser.until(f"{scale} === '2.000'")
        box = browser.value("(() => { const b = document.querySelector('.grid canvas'); b.scrollIntoView({block: 'center'}); "
                            "const r = b.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()")
        browser.call("Input.dispatchMouseEvent", type="mouseWheel", x=box[0] + box[2] / 2, y=box[1] + box[3] / 2, deltaX=0,
                     deltaY=-300, modifiers=2)
        browser.until(f"Number({scale}) > 2")

    def series_zoom(self, browser):
        box = browser.value("(() => { const b = document.querySelector('.series'); b.scrollIntoView({block: 'center'}); "
                            "const r = b.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()")
        ranges = "drawn.map((one) => one.graph).filter(Boolean).map((g) => g.xAxisRange())"
        before = browser.value(ranges)
        middle = box[1] + box[3] / 2
        browser.drag(box[0] + box[2] * 0.4, middle, box[0] + box[2] * 0.6, middle)
        browser.until(f"{ranges}[0][1] - {ranges}[0][0] < {before[0][1] - before[0][0]} / 3")
        after = browser.value(ranges)
        self.assertEqual(len({tuple(one) for one in after}), 1)  # all of them show the same time

    def hover_tells(self, browser):
        box = browser.value("(() => { const b = document.querySelector('.grid canvas'); b.scrollIntoView({block: 'center'}); "
                            "const r = b.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()")
        tip = "document.querySelector('.grid .tip')"
        for step in range(60):
            browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 90 + step * 11, y=box[1] + box[3] * 0.7)
            if not browser.value(f"{tip}.hidden"):
                break
        self.assertRegex(browser.value(f"{tip}.textContent"), r"(?s)B \+ .*(read|write|trim|zero): \d+")

    def slowest_have_neighbours(self, browser, report):
        self.assertEqual(browser.value("document.querySelectorAll('tr.asks').length"), 20)
        slow = report["places"][0]["slowest"][0]
        browser.value("document.querySelector('tr.asks').click()")
        seen = browser.value("[...document.querySelectorAll('tr.beside')].filter((r) => !r.hidden).map((r) => r.lastChild.textContent)")
        self.assertEqual(seen, [str(one["id"]) for one in slow["before"] + slow["after"]])

    def test_dark_and_several_layers(self):
        self.need_page()
        some = random.Random(2)
        above = TraceWriter(self.folder / "above.trace").begin(run=5, tag="above", size=str(64 * MIB))
        below = TraceWriter(self.folder / "below.trace").begin(run=5, tag="below", size=str(64 * MIB))
        at = 10**9
        for ident in range(1, 1500):
            at += some.randrange(2000) * US
            op, offset = some.choice(("read", "write")), some.randrange(16000) * 4096
            took = some.randrange(100, 900) * US
            above.request(op, offset, 512, at, at + took, at + took + 9, ident=ident)
            if op == "write" or some.random() < 0.5:
                below.request(op, offset, 4096, at + took // 2, at + took - 1, at + took + 9, ident=ident)
        page = self.page_of(above.end(), below.end())
        with Browser(self.folder, dark=True) as browser:
            browser.open(page)
            self.assertEqual(browser.value("document.documentElement.dataset.theme"), "dark")
            self.assertIn("above → below", browser.value("document.body.textContent"))
            self.assertEqual(browser.value("document.querySelectorAll('[role=tab]').length"), 2)
            self.looked_at(browser, "dark")
            browser.value("document.querySelectorAll('[role=tab]')[1].click()")
            self.assertEqual(browser.value("document.querySelectorAll('[role=tab]')[1].getAttribute('aria-selected')"), "true")
            self.assertIn("4", browser.value("document.querySelector('main table').rows[1].cells[1].textContent"))
            browser.value("document.getElementById('theme').click()")
            self.assertEqual(browser.value("document.documentElement.dataset.theme"), "light")
            self.quiet(browser, page)

    def test_colours_differ_whoever_looks_at_them(self):
        if not self.drawn:
            self.skipTest("this build has no pages")
        page = self.page_of(self.busy_trace(requests=10)).read_text()
        themes = [dict(re.findall(r"--(read|write|flush|trim|zero|cache|extents|paper): *(#[0-9a-f]{6})", block))
                  for block in re.findall(r"\{[^{}]*--extents:[^{}]*\}", page)]
        self.assertEqual([len(theme) for theme in themes], [8, 8])
        for theme in themes:
            for sight in SIGHT:
                for one, other in itertools.combinations(theme, 2):
                    with self.subTest(sight=sight, one=one, other=other):
                        self.assertGreater(math.dist(lab(theme[one], sight), lab(theme[other], sight)), 14)

    def test_odd_traces_draw_too(self):
        self.need_page()
        nothing = TraceWriter(self.folder / "nothing.trace").begin().end()
        one = TraceWriter(self.folder / "one.trace").begin(tag="</script><script>console.log(1)</script>", export="<!--<b>")
        one.request("flush", 0, 0, 5, 6)
        far = TraceWriter(self.folder / "far.trace").begin(size=str(1 << 62))
        far.request("read", (1 << 62) - 4096, 4096, 1, 10**15)
        far.request("trim", 0, 1 << 62, 10**14, 10**14)
        for trace in nothing, one.end(), far.end():
            with self.subTest(trace.name), Browser(self.folder / trace.name.replace(".", "-")) as browser:
                page = self.page_of(trace)
                browser.open(page)
                self.quiet(browser, page)

    def test_a_page_is_never_larger_than_5_mb(self):
        if not self.drawn:
            self.skipTest("this build has no pages")
        some = random.Random(1)
        writers = []
        for number in range(8):
            writer = TraceWriter(self.folder / f"{number}.trace").begin(tag=f"place{number}", size=str(512 * MIB))
            for at in range(4000):
                start = at * 10**7
                writer.request("read" if at % 2 else "write", some.randrange(448) * MIB, 64 * MIB, start,
                               start + some.randrange(10**8))
            writers.append(writer.end())

        def columns(*traces):
            page = self.page_of(*traces)
            self.assertLessEqual(page.stat().st_size, 5_000_000)
            pictures = re.search(r'id="pictures">(.*?)</script>', page.read_text(), re.DOTALL).group(1)
            return {place["map"]["columns"] for place in json.loads(pictures)["places"]}
        self.assertEqual(columns(writers[0]), {512})
        self.assertEqual(columns(*writers), {256})

    def test_the_report_has_percentiles_and_depth_over_time(self):
        writer = TraceWriter(self.folder / "slices.trace").begin()
        ms = 10**6
        for start, took, depth in ((0, 100, 0), (0, 200, 1), (0, 200, 2), (1, 400, 0)):
            writer.request("write", 0, 4096, start * ms, start * ms + took * US, depth=depth)
        trace = writer.end()
        slices = json.loads(self.trace("report", "--json", trace).stdout)["places"][0]["timeline"]["slices"]
        self.assertEqual([(one["max_depth"], one["depth"]) for one in slices], [(3, 0.5), (1, 0.4)])
        self.assertAlmostEqual(slices[0]["write"]["p50_ns"], 200 * US, delta=26 * US)
        self.assertEqual([one["write"]["p99_ns"] for one in slices], [200 * US, 400 * US])
        self.assertIn("  depth over time 0.50 (3), 0.40 (1): mean (most)\n", self.trace("report", trace).stdout)

    def test_the_greatest_depth_is_that_of_all_connections_and_no_less_than_the_mean(self):
        writer = TraceWriter(self.folder / "slices.trace").begin()
        for connection, (start, took) in enumerate(((0, 3500), (1100, 100), (1150, 100)), 1):
            writer.request("write", 0, 4096, start * US, (start + took) * US, connection=connection)
        slices = json.loads(self.trace("report", "--json", writer.end()).stdout)["places"][0]["timeline"]["slices"]
        self.assertEqual([one["max_depth"] for one in slices], [1, 3, 1, 1])
        for one in slices:
            self.assertLessEqual(one["depth"], one["max_depth"])

    def test_json_and_html_exclude_each_other(self):
        trace = self.busy_trace(requests=3)
        self.assertIn("--html", self.trace("report", "--json", "--html", trace, code=2).stderr)


if __name__ == "__main__":
    main()
