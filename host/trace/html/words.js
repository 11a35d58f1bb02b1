"use strict";
// How numbers read, what each op looks like, and short ways to make elements.

const OPS = ["read", "write", "flush", "trim", "zero", "cache", "extents"];
// Lines differ in their dashes, too, so that nobody needs to see colours.
const DASHES = { read: [], write: [9, 4], flush: [2, 3], trim: [9, 3, 2, 3], zero: [4, 4], cache: [14, 4], extents: [2, 6] };

function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function scaled(value, step, units) {
  let unit = 0;
  while (Math.abs(value) >= step && unit + 1 < units.length) {
    value /= step;
    ++unit;
  }
  const digits = unit === 0 && Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/\.0+$/, "") + units[unit];
}
const bytesText = (bytes) => scaled(bytes, 1024, [" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"]);
const timeText = (ns) => (ns >= 60e9 ? scaled(ns / 60e9, 60, [" min", " h"]) : scaled(ns, 1000, [" ns", " µs", " ms", " s"]));
const countText = (count) => Math.round(count).toLocaleString("en").replaceAll(",", "\u202f");
const shortCount = (count) => scaled(count, 1000, ["", " k", " M", " G"]);
const percentText = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) + " %" : "–");

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "click") made.addEventListener("click", value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function swatch(op) {
  return element("span", { class: "swatch", style: `background: var(--${op})` });
}

// The ops that a place was asked for, in their order.
const opsOf = (place) => OPS.filter((op) => place.ops[op]);

// The least value of a step of a coarse histogram: each power of two has eight.
function lowOf(step) {
  if (step < 16) return step;
  return (8 + (step & 7)) * 2 ** ((step >> 3) - 1);
}
