"use strict";
// A field of cells with zoom and hover, drawn by d3's scales on a canvas.
//
// field: {columns, rows, planes: [{name, colour(), cells: [{column, row, count}]}], blend, columnNs, yTicks(low, high),
// tip(column, row, found)}: columns and rows may be fractions; yTicks gives [[row, text]]; `found` is {name: count}.
function drawGrid(host, field, height) {
  const margin = { left: 76, right: 12, top: 10, bottom: 26 };
  const canvas = element("canvas", { role: "img", "aria-label": field.label });
  const tip = element("div", { class: "tip", hidden: "" });
  const box = element("div", { class: "grid" }, canvas, tip);
  const hidden = new Set();
  const most = Math.max(1, ...field.planes.map((plane) => d3.max(plane.cells, (cell) => cell.count) || 1)) * (field.blend ? 1 : 2);
  // Few cells must be seen, and many must not become one.
  const many = d3.sum(field.planes, (plane) => plane.cells.length) > 15000;
  const strength = d3.scaleLog([1, Math.max(2, most)], [field.blend ? 0.2 : many ? 0.35 : 0.6, 1]).clamp(true);
  const index = new Map();
  for (const plane of field.planes)
    for (const { column, row, count } of plane.cells) {
      const key = column * field.rows + row;
      if (!index.has(key)) index.set(key, { column, row, counts: {} });
      index.get(key).counts[plane.name] = count;
    }
  const least = field.blend || many ? 1.6 : 3;

  let width = 0, x, y, pending = false, now = d3.zoomIdentity;

  function visible() {
    return [now.rescaleX(x), now.rescaleY(y)];
  }

  function draw() {
    pending = false;
    const [xs, ys] = visible();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width, height);
    drawAxes(pen, xs, ys);
    pen.save();
    pen.beginPath();
    pen.rect(margin.left, margin.top, width - margin.left - margin.right, height - margin.top - margin.bottom);
    pen.clip();
    const wide = xs(1) - xs(0), high = ys(0) - ys(1);
    const planes = field.planes.filter((plane) => !hidden.has(plane.name)).map((plane) => [plane.name, plane.colour()]);
    for (const cell of index.values()) {
      const left = xs(cell.column), top = ys(cell.row + 1);
      if (left > width || left + wide < margin.left || top > height || top + high < margin.top) continue;
      drawCell(pen, cell, planes.filter(([name]) => cell.counts[name]), left, top, wide, high);
    }
    pen.restore();
    canvas.dataset.scale = now.k.toFixed(3);
  }

  // Several ops of one cell share it by their counts: side by side where it is large enough, else one of them stands for
  // all, each as often among the cells as it has requests.
  function drawCell(pen, cell, planes, left, top, wide, high) {
    const all = d3.sum(planes, ([name]) => cell.counts[name]);
    if (!all) return;
    pen.globalAlpha = strength(all);
    const right = wide > 6 ? wide - 1 : Math.max(wide, least), below = high > 6 ? high - 1 : Math.max(high, least);
    let at = 0;
    const chosen = ((Math.imul(cell.column * 7919 + cell.row * 104729, 2654435761) >>> 8) % 1000) / 1000;
    for (const [name, colour] of planes) {
      const share = cell.counts[name] / all;
      pen.fillStyle = colour;
      if (wide >= 6) {
        pen.fillRect(left + at * right, top, share * right, below);
        if (!field.blend && share * right > 14 && below > 13) drawLetter(pen, name, left + at * right, top);
      } else if (chosen >= at && chosen < at + share) pen.fillRect(left, top, right, below);
      at += share;
    }
    pen.globalAlpha = 1;
  }

  function drawLetter(pen, name, left, top) {
    pen.save();
    pen.globalAlpha = 1;
    pen.fillStyle = colourOf("paper");
    pen.font = "bold 11px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.fillText(name[0].toUpperCase(), left + 3, top + 8);
    pen.restore();
  }

  function drawAxes(pen, xs, ys) {
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colourOf("quiet");
    pen.strokeStyle = colourOf("line");
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const [low, high] = [ys.invert(height - margin.bottom), ys.invert(margin.top)];
    let before = Infinity;
    for (const [row, text] of field.yTicks(low, high)) {
      const at = ys(row);
      if (at < margin.top || at > height - margin.bottom || before - at < 18) continue;
      before = at;
      line(pen, margin.left, at, width - margin.right, at);
      pen.fillText(text, margin.left - 8, Math.max(at, margin.top + 4));
    }
    pen.textAlign = "center";
    const times = xs.domain().map((column) => column * field.columnNs);
    for (const time of d3.ticks(Math.max(0, times[0]), times[1], Math.max(2, Math.floor(width / 130)))) {
      const at = xs(time / field.columnNs);
      line(pen, at, height - margin.bottom, at, height - margin.bottom + 4);
      if (at < width - 40) pen.fillText(timeText(time), at, height - margin.bottom / 2 + 2);
    }
    line(pen, margin.left, height - margin.bottom, width - margin.right, height - margin.bottom);
  }

  function line(pen, x1, y1, x2, y2) {
    pen.beginPath();
    pen.moveTo(x1, Math.round(y1) + 0.5);
    pen.lineTo(x2, Math.round(y2) + 0.5);
    pen.stroke();
  }

  function redraw() {
    if (!pending) requestAnimationFrame(draw);
    pending = true;
  }

  function hover(event) {
    const [left, top] = d3.clientPoint(canvas, event);
    const [xs, ys] = visible();
    const column = Math.floor(xs.invert(left)), row = Math.floor(ys.invert(top));
    const cell = index.get(column * field.rows + row);
    const found = cell && Object.fromEntries(Object.entries(cell.counts).filter(([name]) => !hidden.has(name)));
    tip.hidden = !found || Object.keys(found).length === 0 || left < margin.left;
    if (tip.hidden) return;
    tip.textContent = field.tip(column, row, found);
    tip.style.left = Math.min(left + 14, width - tip.offsetWidth - 4) + "px";
    tip.style.top = Math.min(top + 14, height - tip.offsetHeight - 4) + "px";
  }

  // A wheel alone scrolls the page.
  const zoom = d3.zoom().scaleExtent([1, 64]).on("zoom", () => {
    now = d3.event.transform;
    redraw();
  }).filter(() => !d3.event.button && (d3.event.type !== "wheel" || d3.event.ctrlKey || d3.event.shiftKey));

  function fit() {
    width = box.clientWidth;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    x = d3.scaleLinear([0, field.columns], [margin.left, width - margin.right]);
    y = d3.scaleLinear([field.firstRow || 0, field.lastRow || field.rows], [height - margin.bottom, margin.top]);
    const extent = [[margin.left, margin.top], [width - margin.right, height - margin.bottom]];
    zoom.extent(extent).translateExtent(extent);
    draw();
  }

  const picked = d3.select(canvas).call(zoom);
  canvas.addEventListener("mousemove", hover);
  canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
  const tools = element("div", { class: "row" },
    element("button", { type: "button", class: "in", click: () => zoom.scaleBy(picked, 2) }, "Zoom in"),
    element("button", { type: "button", click: () => zoom.scaleBy(picked, 0.5) }, "Zoom out"),
    element("button", { type: "button", click: () => zoom.transform(picked, d3.zoomIdentity) }, "All"),
    element("span", { class: "hint" }, "Ctrl or Shift with the wheel zooms, a double click, too; dragging moves"));
  if (!field.blend)
    for (const plane of field.planes.slice().reverse()) tools.prepend(toggle(plane));

  function toggle(plane) {
    const button = element("button", { type: "button", class: "op", "aria-pressed": "true" }, swatch(plane.name), plane.name);
    button.addEventListener("click", () => {
      if (!hidden.delete(plane.name)) hidden.add(plane.name);
      button.setAttribute("aria-pressed", String(!hidden.has(plane.name)));
      redraw();
    });
    return button;
  }

  host.append(tools, box);
  fit();
  return { redraw, fit };
}
