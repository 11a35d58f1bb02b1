"use strict";
// What is read better than seen.

// columns: [[title, "text" or ""]]; rows: arrays of texts or elements.
function tableOf(columns, rows) {
  const head = element("tr", {}, ...columns.map(([title, kind]) => element("th", { class: kind }, title)));
  const body = element("tbody");
  for (const row of rows) body.append(rowOf(columns, row));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), body));
}
function rowOf(columns, row) {
  return element("tr", {}, ...row.map((cell, at) => element("td", { class: columns[at][1] }, cell)));
}
function opCell(op) {
  return element("span", {}, swatch(op), op);
}

function opsTable(place) {
  const columns = [["op", "text"], ["count", ""], ["bytes", ""], ["errors", ""], ["p50", ""], ["p90", ""], ["p99", ""], ["p99.9", ""], ["max", ""],
    ["reply p50", ""], ["sequential", ""]];
  const rows = opsOf(place).map((name) => {
    const op = place.ops[name], late = op.latency_ns;
    const errors = Object.entries(op.errnos).map(([errno, count]) => `${countText(count)} ${errno}`).join(", ") || "0";
    return [opCell(name), countText(op.count), bytesText(op.bytes), errors, ...["p50", "p90", "p99", "p99.9", "max"].map((p) => timeText(late[p])),
      op.reply_ns.max ? timeText(op.reply_ns.p50) : "–", name === "read" || name === "write" ? percentText(op.sequential, op.count) : "–"];
  });
  return tableOf(columns, rows);
}

function cardsOf(place) {
  const about = place.estimates ? "≈ " : "";
  const cards = [
    [bytesText(place.size), "size of the disk"],
    [countText(place.requests), "requests"],
    [about + bytesText(place.working_set_bytes), "working set"],
    [about + bytesText(place.overwritten_bytes), "written over again"],
  ];
  if (place.overwritten_bytes) cards.push([about + bytesText(place.overwrite_distance_bytes.p50), "of other writes in between (p50)"]);
  if (place.zeroes_written_bytes !== null) cards.push([bytesText(place.zeroes_written_bytes), "zeroes written as data"]);
  if (place.ops.write) cards.push([percentText(place.misaligned_writes, place.ops.write.count), "of writes are not on 4 KiB"]);
  if (place.ops.flush) cards.push([bytesText(place.dirty_at_flush_bytes.p50), "written from flush to flush (p50)"]);
  if (place.between_flushes_ns.max) cards.push([timeText(place.between_flushes_ns.p50), "from flush or FUA to the next (p50)"]);
  const box = element("div", { class: "cards" });
  for (const [value, what] of cards) box.append(element("div", { class: "card" }, element("b", {}, value), element("span", {}, what)));
  return box;
}

function hotTable(place) {
  const hot = place.ranges.slice().sort((a, b) => b.read + b.written - a.read - a.written).slice(0, 8);
  const all = d3.sum(place.ranges, (one) => one.read + one.written);
  return tableOf([["from", ""], ["length", ""], ["read", ""], ["written", ""], ["of all bytes", ""]],
    hot.map((one) => [bytesText(one.offset), bytesText(place.range_bytes), bytesText(one.read), bytesText(one.written), percentText(one.read + one.written, all)]));
}

// The slowest; a click shows what came before and after one.
function slowTable(place) {
  const columns = [["time", "text"], ["op", "text"], ["took", ""], ["offset", ""], ["length", ""], ["flags", "text"], ["result", "text"], ["depth", ""],
    ["connection", ""], ["id", ""]];
  const cells = (one) => [one.time.slice(11, -1), opCell(one.op), timeText(one.done - one.start), String(one.offset), bytesText(one.length), one.flags,
    one.result, String(one.depth), "#" + one.connection, String(one.id)];
  const table = tableOf(columns, []);
  const body = table.querySelector("tbody");
  for (const slow of place.slowest) {
    const row = rowOf(columns, cells(slow));
    row.className = "asks";
    row.tabIndex = 0;
    row.title = "Show what came before and after";
    const beside = [...slow.before.map((one) => [one, true]), ...slow.after.map((one) => [one, false])].map(([one, before]) => {
      const other = rowOf(columns, cells(one));
      other.className = "beside";
      other.hidden = true;
      other.firstChild.prepend(before ? "↑ " : "↓ ");
      return [other, before];
    });
    const change = () => beside.forEach(([other]) => { other.hidden = !other.hidden; });
    row.addEventListener("click", change);
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") change(); });
    body.append(...beside.filter(([, before]) => before).map(([other]) => other), row, ...beside.filter(([, before]) => !before).map(([other]) => other));
  }
  return table;
}

function layerTable(between) {
  const columns = [["between", "text"], ["", "text"], ["requests above", ""], ["below", ""], ["bytes above", ""], ["below", ""], ["amplification", ""], ["nothing came below", ""]];
  const rows = [];
  for (const pair of between)
    for (const kind of ["read", "write", "other"]) {
      const sums = pair[kind];
      if (!sums.upper_requests) continue;
      rows.push([`${pair.upper} → ${pair.lower}`, kind, countText(sums.upper_requests), countText(sums.lower_requests), bytesText(sums.upper_bytes),
        bytesText(sums.lower_bytes), sums.upper_bytes ? "× " + (sums.lower_bytes / sums.upper_bytes).toFixed(2) : "–", percentText(sums.spared, sums.upper_requests)]);
    }
  return tableOf(columns, rows);
}
