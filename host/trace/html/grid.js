"use strict";
// A field of cells with zoom and hover, drawn by d3's scales on a canvas.
//
// field: {columns, rows, planes: [{name, colour(), cells: [{column, row, count}]}], blend, xText(column), yTicks(low, high),
// tip(column, row, found)}: columns and rows may be fractions; yTicks gives [[row, text]]; `found` is {name: count}.
function drawGrid(host, field, height) {
  const margin = { left: 76, right: 12, top: 10, bottom: 26 };
  const canvas = element("canvas", { role: "img", "aria-label": field.label });
  const tip = element("div", { class: "tip", hidden: "" });
  const box = element("div", { class: "grid" }, canvas, tip);
  const hidden = new Set();
  const most = Math.max(1, ...field.planes.map((plane) => d3.max(plane.cells, (cell) => cell.count) || 1));
  const strength = d3.scaleLog([1, Math.max(2, most)], [field.blend ? 0.12 : 0.4, 1]).clamp(true);
  const index = new Map();
  for (const plane of field.planes)
    for (const cell of plane.cells) {
      const key = cell.column * field.rows + cell.row;
      if (!index.has(key)) index.set(key, {});
      index.get(key)[plane.name] = cell.count;
    }

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
    for (const plane of field.planes) if (!hidden.has(plane.name)) drawPlane(pen, plane, xs, ys, wide, high);
    pen.restore();
    canvas.dataset.scale = now.k.toFixed(3);
  }

  function drawPlane(pen, plane, xs, ys, wide, high) {
    const colour = plane.colour();
    pen.fillStyle = colour;
    for (const cell of plane.cells) {
      const left = xs(cell.column), top = ys(cell.row + 1);
      if (left > width || left + wide < margin.left || top > height || top + high < margin.top) continue;
      pen.globalAlpha = strength(cell.count);
      pen.fillRect(left, top, Math.max(wide - (wide > 6 ? 1 : 0), 1.6), Math.max(high - (high > 6 ? 1 : 0), 1.6));
    }
    pen.globalAlpha = 1;
    if (wide < 16 || high < 14 || field.blend) return;
    pen.fillStyle = colourOf("paper");
    pen.font = "bold 11px system-ui, sans-serif";
    for (const cell of plane.cells) pen.fillText(plane.name[0].toUpperCase(), xs(cell.column) + 3, ys(cell.row + 1) + 11);
  }

  function drawAxes(pen, xs, ys) {
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colourOf("quiet");
    pen.strokeStyle = colourOf("line");
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const [low, high] = [ys.invert(height - margin.bottom), ys.invert(margin.top)];
    for (const [row, text] of field.yTicks(low, high)) {
      const at = ys(row);
      if (at < margin.top || at > height - margin.bottom) continue;
      line(pen, margin.left, at, width - margin.right, at);
      pen.fillText(text, margin.left - 8, Math.max(at, margin.top + 4));
    }
    pen.textAlign = "center";
    for (const column of xs.ticks(Math.max(2, Math.floor(width / 130)))) {
      const at = xs(column);
      line(pen, at, height - margin.bottom, at, height - margin.bottom + 4);
      if (at < width - 40) pen.fillText(field.xText(column), at, height - margin.bottom / 2 + 2);
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
    const all = index.get(column * field.rows + row);
    const found = all && Object.fromEntries(Object.entries(all).filter(([name]) => !hidden.has(name)));
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
