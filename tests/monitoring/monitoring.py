"""The alerts and the dashboard of examples/monitoring: a real Prometheus scrapes a server and has an answer to each expression."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import config, libnbd, processes  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.images import MIB  # noqa: E402

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "monitoring"
TESTS = pathlib.Path(__file__).resolve().parent / "alerts_test.yml"
PATIENCE = 60  # seconds; only a failure takes so long


def dashboard_expressions():
    """(panel, expression), with the dashboard's variables as it would fill them in."""
    panels = json.loads((EXAMPLES / "dashboard.json").read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "30s")
            yield panel["title"], text.replace("$instance", ".+").replace("$export", ".+")


class Rules(Case):
    def test_each_alert_fires_when_it_should_and_only_then(self):
        alerts, tests = (EXAMPLES / "alerts.yml").read_text(), TESTS.read_text()
        names = re.findall(r"- alert: (\w+)", alerts)
        for name in names:
            self.assertEqual(len(re.findall(rf"alertname: {name}\b", tests)), 2, name)
        file = self.write("test.yml", tests.replace("ALERTS", str(EXAMPLES / "alerts.yml")))
        processes.run("promtool", "check", "config", EXAMPLES / "prometheus.yml")
        processes.run("promtool", "test", "rules", file)


class Prometheus(Case):
    def setUp(self):
        super().setUp()
        # Without fallocate(2) zeroes are left to writing.
        self.server = self.serve([config.file_export(self.sparse_file("disk.img", MIB))], metrics="tcp:127.0.0.1:0",
                                 within=[os.environ["ASHLAR_REFUSE"], "fallocate", "--"])
        self.client = libnbd.connect(self.server.uri("disk"))
        self.addCleanup(self.client.shutdown)
        self.at = self.start_prometheus(re.search(r"tells figures at tcp:(\S+)/metrics", self.server.log())[1])

    def start_prometheus(self, target):
        """Where it answers; the example's config with another target, and quicker."""
        text = (EXAMPLES / "prometheus.yml").read_text()
        for old, new in (("127.0.0.1:9809", target), ("_interval: 15s", "_interval: 200ms"), ("alerts.yml", str(EXAMPLES / "alerts.yml"))):
            self.assertIn(old, text)
            text = text.replace(old, new)
        log = self.folder / "prometheus.log"
        with open(log, "wb") as file:
            process = processes.start(["prometheus", f"--config.file={self.write('prometheus.yml', text)}",
                                       f"--storage.tsdb.path={self.folder}/data", "--web.listen-address=127.0.0.1:0"],
                                      stdout=subprocess.DEVNULL, stderr=file)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        found = self.until("Prometheus listens", lambda: re.search(r'msg="Listening on" address=(\S+)', log.read_text()))
        return f"http://{found[1]}/api/v1"

    def until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while not (found := holds()):
            self.assertLess(time.monotonic(), end, f"in vain waited until {what}")
            time.sleep(0.05)
        return found

    def ask(self, path, **arguments):
        try:
            with urllib.request.urlopen(f"{self.at}/{path}?{urllib.parse.urlencode(arguments)}", timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is not ready yet
                return {"result": [], "groups": []}
            self.fail(f"{arguments}: {error.read().decode()}")

    def load(self):
        self.client.pwrite(bytes(4096), 0)
        self.client.pread(4096, 0)
        self.client.zero(4096, 4096)
        self.client.set_strict_mode(0)
        try:
            self.client.pread(512, MIB)
        except libnbd.nbd.Error:
            pass

    def has_answer(self, expression):
        """Some value that is a number."""
        self.load()
        return any(one["value"][1] != "NaN" for one in self.ask("query", query=expression)["result"])

    # One server and one Prometheus for both: it takes Prometheus five seconds to begin with its targets.
    def test_all_expressions_have_an_answer(self):
        self.look_at_the_dashboard()
        self.look_at_the_alerts()

    def evaluated_rules(self):
        found = [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
        return found if found and all(rule["health"] != "unknown" for rule in found) else None

    def look_at_the_dashboard(self):
        expressions = list(dashboard_expressions())
        self.assertGreater(len(expressions), 20)
        for panel, expression in expressions:
            self.until(f"{panel!r} has an answer: {expression}", lambda: self.has_answer(expression))

    def look_at_the_alerts(self):
        text = (EXAMPLES / "alerts.yml").read_text()
        for name in sorted(set(re.findall(r"\bashlar_\w+", text))):
            self.until(f"there is {name}", lambda: self.has_answer(name))
        found = self.until("all are evaluated", self.evaluated_rules)
        self.assertEqual([rule["name"] for rule in found if rule["health"] != "ok"], [])
        self.assertEqual(len(found), text.count("- alert: "))
        self.assertEqual([rule["name"] for rule in found if rule["state"] == "firing"], [])


if __name__ == "__main__":
    main(needs=["prometheus", "promtool"])
