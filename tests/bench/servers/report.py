"""The results as a page of Markdown tables."""

import math

import loads
import peers


def number(value):
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def ratio(row, key, invert=False):
    ratio = row["of_base"].get(key)
    return f"{1 / ratio if invert else ratio:.2f}" if ratio else "–"


def _loads(table):
    rows = []
    for load, servers in table.items():
        for server, row in servers.items():
            rows.append([load, server, number(row["ops"]), number(row["mib"]), number(row["p50"]), number(row["p99"]),
                         number(row["cpu"]), number(row["rss"]), ratio(row, "ops"), ratio(row, "cpu"),
                         f"{row['errors']:.0f}" if row["errors"] else ""])
    return markdown_table(["load", "server", "ops/s", "MiB/s", "p50 µs", "p99 µs", "server CPU µs/op", "RSS MiB", "ops × nbdkit",
                   "CPU × nbdkit", "errors"], rows)


def _goals(tables, tls):
    """ashlar alone, place by place, beside what it is to reach."""
    goals = {name: load.tls_goal if tls else load.goal for name, load in loads.LOADS.items()}

    def cell(servers):
        row = servers.get("ashlar")
        others = [other["ops"] for name, other in servers.items() if name not in ("ashlar", peers.BASE)]
        if not row:
            return "–"
        return f"{ratio(row, 'ops')} / {ratio(row, 'cpu')}" + (f" / {row['ops'] / max(others):.2f}" if others else "")

    rows = [[name, "{:.3g} / {:.2g}".format(*goal), *(cell(table.get(name, {})) for table in tables.values())]
            for name, goal in goals.items() if goal and any(name in table for table in tables.values())]
    return markdown_table(["ops × nbdkit / CPU × nbdkit / ops × the best other", "goal", *tables], rows)


def _copies(table):
    rows = [[client, server, f"{row['seconds']:.3f}", ratio(row, "seconds", invert=True)]
            for client, servers in table.items() for server, row in servers.items()]
    return markdown_table(["client", "server", "seconds", "speed × nbdkit"], rows)


def _direct(table):
    rows = [[name, number(row["ops"]), number(row["p50"]), number(row["p99"]), ratio(row, "ops")] for name, row in table.items()]
    return markdown_table(["who", "ops/s", "p50 µs", "p99 µs", "× the best of fio"], rows)


def _chains(table):
    rows = [[name, number(row["ops"]), number(row["cpu"]), ratio(row, "ops"), ratio(row, "cpu")] for name, row in table.items()]
    return markdown_table(["chain", "ops/s", "server CPU µs/op", "ops × none", "CPU × none"], rows)


def _start(table):
    return markdown_table(["server", "ms"], [[name, f"{ms:.1f}"] for name, ms in table.items()])


def _crowds(table):
    columns = list(dict.fromkeys(key for row in table.values() for key in row))
    rows = [[name, *(f"{row[key]:.0f}" if key == "answered" and key in row else f"{row[key]:.1f}" if key in row else "–"
                     for key in columns)] for name, row in table.items()]
    return markdown_table(["server", *(key if key == "answered" else f"{key}, MiB" for key in columns)], rows)


def _fairness(table):
    rows = [[beside, server, number(row["ops"]), number(row["p50"]), number(row["p99"]),
             number(row["other_mib"]) if "other_mib" in row else ""]
            for beside, servers in table.items() for server, row in servers.items()]
    return markdown_table(["4 KiB reader at depth 1", "server", "ops/s", "p50 µs", "p99 µs", "the other's MiB/s"], rows)


def _handshakes(tables):
    rows = [[transport, server, f"{row['cpu_ms']:.3f}", ratio(row, "cpu_ms"), f"{row['idle_mib'] or math.nan:.0f}",
             f"{row['threads'] or math.nan:.0f}"] for transport, table in tables.items() for server, row in table.items()]
    return markdown_table(["", "server", "server CPU ms per handshake", "CPU × nbdkit", "RSS MiB, 1000 idle", "threads, 1000 idle"], rows)


_SECTIONS = {
    "handshakes": ("Handshakes of TLS, and idle connections", _handshakes),
    "copies": ("Copying the whole image to null", _copies),
    "direct": ("4 KiB O_DIRECT random reads, depth 32", _direct),
    "direct-writes": ("4 KiB O_DIRECT random writes, depth 32", _direct),
    "chains": ("What layers cost: 4 KiB random reads, depth 32 unless another is named", _chains),
    "start": ("From start to listening, median of 20", _start),
    "crowds": ("Memory of many connections", _crowds),
    "fairness": ("Fairness", _fairness),
}


def markdown(results):
    machine = results["machine"]
    parts = ["# Servers compared\n",
             "\n".join(f"- {line}" for line in [
                 f"{machine['date']}, Linux {machine['kernel']}, {machine['cpus']} CPUs ({machine['cpu']}), "
                 f"load average before {machine['load_average']}",
                 f"image {machine['size_mib']} MiB; {machine['seconds']} s per measurement; medians of {machine['rounds']} rounds; "
                 "ratios are medians of the rounds' ratios",
                 "versions: " + "; ".join(machine["versions"].values())]) + "\n"]
    if "loads" in results:
        parts += ["## ashlar and its goals\n", _goals(results["loads"], machine.get("tls"))]
    for title, table in results.get("loads", {}).items():
        parts += [f"## Loads, {title}\n", _loads(table)]
    for name, (title, make) in _SECTIONS.items():
        if name in results:
            parts += [f"## {title}\n", make(results[name])]
    return "\n".join(parts)
