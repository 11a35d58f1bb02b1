"use strict";
// What happened over time, as lines by dygraphs.

function lineChart(host, title, chart, rows) {
  const legend = element("div", { class: "legend" });
  const area = element("div", { class: "series" });
  const choice = element("div", { class: "row" });
  host.append(element("h3", {}, title), choice, area, legend);
  const look = () => ({
    colors: chart.series.map((one) => colourOf(one.op || "ink")),
    gridLineColor: colourOf("line"),
    axisLineColor: colourOf("line"),
  });
  const series = {};
  for (const one of chart.series) series[one.label] = { strokePattern: one.dash.length ? one.dash : null, strokeWidth: one.width || 1.8 };
  const graph = new Dygraph(area, rows, {
    ...look(),
    labels: ["time", ...chart.series.map((one) => one.label)],
    series,
    labelsDiv: legend,
    legend: "always",
    logscale: Boolean(chart.log),
    includeZero: !chart.log,
    fillGraph: false,
    highlightCircleSize: 3.5,
    rightGap: 12,
    axes: {
      x: { axisLabelFormatter: (seconds) => timeText(seconds * 1e9), valueFormatter: (seconds) => timeText(seconds * 1e9) + " ", drawGrid: false },
      y: {
        axisLabelFormatter: chart.text, valueFormatter: chart.text, axisLabelWidth: 68, labelsKMG2: chart.text === bytesText,
        ...(chart.log ? { ticker: (low, high) => logTicks(low, high).map((v) => ({ v, label: chart.text(v) })) } : {}),
      },
    },
  });
  if (chart.choice) addChoice(choice, chart, graph);
  return { graph, redraw: () => graph.updateOptions(look()), fit: () => graph.resize() };
}

// Powers of ten, with what is twice and five times as much where these are few.
function logTicks(low, high) {
  const steps = high / low > 1000 ? [1] : [1, 2, 5], ticks = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
    for (const step of steps) if (step * power >= low && step * power <= high) ticks.push(step * power);
  return ticks;
}

// Buttons that hide the lines of an op.
function addChoice(host, chart, graph) {
  for (const op of new Set(chart.series.map((one) => one.op))) {
    const button = element("button", { type: "button", class: "op", "aria-pressed": "true" }, swatch(op), op);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      chart.series.forEach((one, at) => { if (one.op === op) graph.setVisibility(at, shown); });
    });
    host.append(button);
  }
}

// Rows of a chart: the time of each slice in seconds, and what `value(slice, op)` says.
function rowsOf(timeline, names, value) {
  return timeline.slices.map((slice, number) => [(number * timeline.slice_ns) / 1e9, ...names.map((name) => value(slice, name))]);
}

function drawSeries(host, place) {
  const timeline = place.timeline, ops = opsOf(place), seconds = timeline.slice_ns / 1e9;
  const byOp = (names) => names.map((op) => ({ label: op, op, dash: DASHES[op] }));
  const withBytes = ops.filter((op) => place.ops[op].bytes);
  const charts = [];
  const add = (title, chart, rows) => charts.push(lineChart(host, title, chart, rows));
  add("Throughput, bytes a second", { series: byOp(withBytes), text: bytesText },
    rowsOf(timeline, withBytes, (slice, op) => (slice[op] ? slice[op].bytes / seconds : 0)));
  add("Requests a second", { series: byOp(ops), text: shortCount },
    rowsOf(timeline, ops, (slice, op) => (slice[op] ? slice[op].count / seconds : 0)));
  add("Requests under way", {
    series: [{ label: "mean", dash: [], op: "read" }, { label: "most", dash: [2, 3], width: 1.2, op: "write" }],
    text: (value) => String(Math.round(value * 100) / 100),
  }, rowsOf(timeline, ["depth", "max_depth"], (slice, name) => slice[name]));
  return charts;
}

function drawLatencies(host, place) {
  const timeline = place.timeline, ops = opsOf(place);
  const series = [], names = [];
  for (const op of ops)
    for (const [what, width] of [["p50", 1.2], ["p99", 2.4]]) {
      series.push({ label: `${op} ${what}`, op, dash: DASHES[op], width });
      names.push([op, what + "_ns"]);
    }
  // Of no request there is no time, and a logarithm of nothing is none.
  const rows = rowsOf(timeline, names, (slice, [op, what]) => (slice[op] ? Math.max(slice[op][what], 1) : null));
  return [lineChart(host, "Percentiles by op: thin p50, thick p99", { series, text: timeText, log: true, choice: ops.length > 1 }, rows)];
}
