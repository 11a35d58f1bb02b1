"use strict";
// Puts the page together from the report and the pictures that stand in it.

const report = JSON.parse(document.getElementById("report").textContent);
const pictures = JSON.parse(document.getElementById("pictures").textContent);
let drawn = [];

function mapField(map, place) {
  const planes = opsOf(place).filter((op) => map.ops[op]).map((op) => ({ name: op, colour: () => colourOf(op), cells: cellsOf(map.ops[op], map.rows) }));
  const all = planes.flatMap((plane) => plane.cells);
  if (all.length === 0) return null;
  const columns = d3.max(all, (cell) => cell.column) + 1, last = d3.max(all, (cell) => cell.row) + 1;
  const row = map.row_bytes;
  return {
    label: "Which part of the disk was asked for when", columns, rows: map.rows, lastRow: last, planes,
    columnNs: map.column_ns,
    yTicks: (low, high) => binaryTicks(low * row, high * row).map((bytes) => [bytes / row, bytesText(bytes)]),
    tip: (column, at, found) => `${timeText(column * map.column_ns)} + ${timeText(map.column_ns)}\n${bytesText(at * row)} + ${bytesText(row)}\n` +
      Object.entries(found).map(([op, count]) => `${op}: ${countText(count)}`).join("\n"),
  };
}

function cellsOf(list, rows) {
  const cells = [];
  for (let i = 0, at = 0; i < list.length; i += 2) {
    at += list[i];
    cells.push({ column: Math.floor(at / rows), row: at % rows, count: list[i + 1] });
  }
  return cells;
}

// Round numbers of bytes: multiples of a power of two.
function binaryTicks(low, high) {
  const step = 2 ** Math.max(0, Math.ceil(Math.log2((high - low) / 7)));
  return d3.range(Math.ceil(Math.max(low, 0) / step) * step, high, step);
}

function heatField(slices, timeline, op) {
  const cells = [];
  slices.forEach((steps, column) => {
    for (let i = 0; i < steps.length; i += 2) cells.push({ column, row: steps[i], count: steps[i + 1] });
  });
  const first = Math.max(0, d3.min(cells, (cell) => cell.row) - 4), last = d3.max(cells, (cell) => cell.row) + 4;
  const labels = d3.range(0, 512, 8).map((step) => [step, timeText(lowOf(step))]);
  return {
    label: `How long each ${op} took, over time`, columns: slices.length, rows: 512, firstRow: first, lastRow: last, blend: true,
    planes: [{ name: op, colour: () => colourOf(op), cells }],
    columnNs: timeline.slice_ns,
    yTicks: (low, high) => labels.filter(([step]) => step >= low && step <= high),
    tip: (column, step, found) => `${timeText(column * timeline.slice_ns)} + ${timeText(timeline.slice_ns)}\n${timeText(lowOf(step))} to ${timeText(lowOf(step + 1))}\n${op}: ${countText(found[op])}`,
  };
}

function drawHeat(host, place, latencies) {
  const ops = opsOf(place).filter((op) => latencies[op]);
  const box = element("div"), choice = element("div", { class: "row" });
  host.append(element("h3", {}, "How many took how long: the stronger, the more"), choice, box);
  let here = null;
  const choose = (op) => {
    box.replaceChildren();
    drawn = drawn.filter((one) => one !== here);
    here = drawGrid(box, heatField(latencies[op], place.timeline, op), 260);
    drawn.push(here);
    for (const button of choice.children) button.setAttribute("aria-pressed", String(button.dataset.op === op));
  };
  for (const op of ops) choice.append(element("button", { type: "button", "data-op": op, click: () => choose(op) }, swatch(op), op));
  if (ops.length) choose(ops.slice().sort((a, b) => place.ops[b].count - place.ops[a].count)[0]);
}

function section(host, title, draw) {
  const own = element("section", {}, element("h2", {}, title));
  host.append(own);
  draw(own);
}

function drawPlace(host, number) {
  const place = report.places[number], picture = pictures.places[number];
  drawn = [];
  host.replaceChildren();
  if (!place.requests) {
    host.append(element("p", {}, "No request came here."));
    return;
  }
  host.append(cardsOf(place));
  section(host, "Operations", (own) => own.append(opsTable(place)));
  section(host, "Where and when", (own) => {
    const field = picture.map && mapField(picture.map, place);
    if (field) drawn.push(drawGrid(own, field, 430));
    else own.append(element("p", { class: "quiet" }, picture.map ? "No request touched the disk's bytes." : "Left out, as the page would be too large."));
  });
  section(host, "Latency over time", (own) => {
    drawn.push(...drawLatencies(own, place));
    if (picture.latencies) drawHeat(own, place, picture.latencies);
  });
  section(host, "Throughput and depth", (own) => drawn.push(...drawSeries(own, place)));
  const graphs = drawn.map((one) => one.graph).filter(Boolean);
  if (graphs.length > 1) Dygraph.synchronize(graphs, { selection: true, zoom: true, range: false });
  host.append(element("p", { class: "hint" }, "Drag over a time to look closer, in all of these charts; a double click shows all again."));
  section(host, "Sizes and alignment", (own) => drawHistograms(own, place));
  section(host, "Hot ranges", (own) => own.append(hotTable(place)));
  section(host, "The slowest", (own) => own.append(element("p", { class: "hint" }, "A click on one shows what came before and after it."), slowTable(place)));
}

function drawHead(host) {
  const names = [...new Set(report.places.map((place) => place.export))];
  const asked = report.places.filter((place) => place.requests);
  const begin = asked.length ? asked.map((place) => place.timeline.begin).sort()[0].replace("T", " ").replace("Z", " UTC") : "";
  const time = d3.max(asked, (place) => place.timeline.slice_ns * place.timeline.slices.length) || 0;
  document.title = `Trace of ${names.join(", ") || "nothing"}`;
  const theme = element("button", { type: "button", id: "theme", click: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark") }, "Light or dark");
  host.append(element("div", { class: "head" }, element("h1", {}, document.title), theme));
  host.append(element("p", { class: "quiet" }, `${countText(report.requests)} requests from ${begin}, for ${timeText(time)}`));
  const missing = [];
  if (report.dropped) missing.push(`${countText(report.dropped)} requests were dropped and have no record`);
  if (report.beginning_lost) missing.push("the beginning is lost");
  if (report.broken) missing.push("a part is broken");
  if (!report.ended) missing.push("there is no end: the server still ran, or was killed");
  if (missing.length) host.append(element("div", { class: "advice warning" }, "Not whole: " + missing.join("; ") + "."));
  for (const one of report.advice) host.append(element("div", { class: "advice" }, element("b", {}, one.place), ": " + one.text));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  for (const one of drawn) one.redraw();
}

function drawPage() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  drawHead(document.body);
  if (report.between.length) section(document.body, "Layers", (own) => drawLayers(own, report.between));
  const tabs = element("div", { class: "row tabs", role: "tablist" }), host = element("main");
  document.body.append(tabs, host);
  const show = (number) => {
    drawPlace(host, number);
    for (const [at, tab] of [...tabs.children].entries()) tab.setAttribute("aria-selected", String(at === number));
  };
  report.places.forEach((place, number) => tabs.append(element("button", { type: "button", role: "tab", click: () => show(number) }, `${place.export}: ${place.place}`)));
  if (report.places.length) show(0);
  else host.append(element("p", {}, "There is no request in it."));
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => drawn.forEach((one) => one.fit()), 100);
  });
  document.documentElement.dataset.drawn = "yes";
}

drawPage();
