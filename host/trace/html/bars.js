"use strict";
// Histograms and stacked times, as d3's bars.

// groups: [{label, parts: [{name, value, tip}]}] beside each other; each part has its colour and its letter.
function drawBars(host, title, groups, text) {
  const wide = 530, row = 17, left = 84, parts = d3.max(groups, (group) => group.parts.length) || 1;
  const high = groups.length * (parts * row + 7) + 4;
  const most = d3.max(groups, (group) => d3.max(group.parts, (part) => part.value)) || 1;
  const scale = d3.scaleLinear([0, most], [0, wide - left - 78]);
  const svg = d3.create("svg").attr("viewBox", `0 0 ${wide} ${high}`).attr("width", "100%").attr("role", "img").attr("aria-label", title);
  groups.forEach((group, number) => {
    const top = number * (parts * row + 7) + 4;
    svg.append("text").attr("x", left - 8).attr("y", top + (parts * row) / 2 + 4).attr("text-anchor", "end").text(group.label);
    group.parts.forEach((part, at) => {
      const y = top + at * row;
      svg.append("rect").attr("x", left).attr("y", y + 2).attr("rx", 2).attr("height", row - 4)
        .attr("width", part.value ? Math.max(scale(part.value), 1.5) : 0).style("fill", `var(--${part.name})`)
        .append("title").text(part.tip);
      if (part.value)
        svg.append("text").attr("class", "quiet").attr("x", left + scale(part.value) + 5).attr("y", y + row / 2 + 4)
          .text(parts > 1 ? `${text(part)} ${part.name[0].toUpperCase()}` : text(part));
    });
  });
  host.append(element("div", {}, element("h3", {}, title), svg.node()));
}

function drawHistograms(host, place) {
  const withBytes = opsOf(place).filter((op) => place.ops[op].bytes);
  const key = element("div", { class: "row hint" });
  for (const op of withBytes) key.append(element("span", {}, swatch(op), `${op} (${op[0].toUpperCase()})  `));
  const charts = element("div", { class: "charts" });
  host.append(key, charts);
  for (const [what, title, label] of [["sizes", "Sizes: up to", (n) => bytesText(n)], ["alignments", "Alignment: on multiples of", (n) => bytesText(n)]]) {
    const powers = [...new Set(withBytes.flatMap((op) => Object.keys(place.ops[op][what]).map(Number)))].sort((a, b) => a - b);
    drawBars(charts, title, powers.map((power) => ({
      label: label(power),
      parts: withBytes.map((op) => {
        const value = place.ops[op][what][power] || 0;
        return { name: op, value, tip: `${countText(value)} of ${countText(place.ops[op].count)} ${op}s: ${percentText(value, place.ops[op].count)}` };
      }),
    })), (part) => shortCount(part.value));
  }
}

// Where the time of a request went: a bar for each kind, cut by layers.
function drawLayers(host, between) {
  const chains = d3.group ? d3.group(between, (pair) => pair.export) : new Map(d3.nest().key((pair) => pair.export).entries(between).map((one) => [one.key, one.values]));
  for (const [exported, pairs] of chains) {
    host.append(element("h3", {}, `Export ${exported}: mean time of a request, by layer`));
    for (const kind of ["read", "write", "other"]) {
      const requests = pairs[0][kind].upper_requests;
      if (!requests) continue;
      const slices = pairs.map((pair) => ({ label: `${pair.upper} → ${pair.lower}`, value: Math.max(0, pair[kind].upper_ns - pair[kind].lower_ns) / requests }));
      const last = pairs[pairs.length - 1];
      slices.push({ label: `${last.lower} → disk`, value: last[kind].lower_ns / requests });
      host.append(stackOf(kind, requests, slices));
    }
  }
  host.append(layerTable(between));
}

function stackOf(kind, requests, slices) {
  const wide = 1100, left = 90, all = d3.sum(slices, (one) => one.value) || 1;
  const scale = d3.scaleLinear([0, all], [0, wide - left - 100]);
  const fills = ["--read", "--zero", "--trim", "--extents", "--cache", "--write"];
  const svg = d3.create("svg").attr("viewBox", `0 0 ${wide} 52`).attr("width", "100%").attr("role", "img");
  svg.append("text").attr("x", left - 8).attr("y", 22).attr("text-anchor", "end").text(kind);
  let at = left;
  slices.forEach((one, number) => {
    const width = scale(one.value), label = `${one.label}: ${timeText(one.value)} (${percentText(one.value, all)})`;
    svg.append("rect").attr("x", at).attr("y", 6).attr("height", 24).attr("width", width).style("fill", `var(${fills[number % fills.length]})`)
      .style("stroke", "var(--paper)").append("title").text(label);
    svg.append("text").attr("x", left + number * ((wide - left - 60) / slices.length) + 16).attr("y", 46).text(label);
    svg.append("rect").attr("x", left + number * ((wide - left - 60) / slices.length)).attr("y", 36).attr("width", 11).attr("height", 11)
      .attr("rx", 2).style("fill", `var(${fills[number % fills.length]})`);
    at += width;
  });
  svg.append("text").attr("x", at + 8).attr("y", 22).text(timeText(all));
  return svg.node();
}
