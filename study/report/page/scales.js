"use strict";
/* From numbers to pixels and colours. */

/** Round numbers within a range, about so many. */
function ticks([low, high], wanted) {
  const raw = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((each) => each * power >= raw) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    found.push({ value: i * step, text: (i * step).toFixed(digits) });
  }
  return found;
}

/** The least and the greatest of finite numbers; [0, 1] where there are none. */
function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/** A range with some room around it, never empty. */
function roomy([low, high], share = 0.06) {
  const room = (high - low || Math.abs(high) || 1) * share;
  return [low - room, high + room];
}

/** A scale from numbers to 0...1; by the logarithm if asked for. A single number is in the middle. */
function unitScale([low, high], log = false) {
  const of = log ? Math.log : (value) => value;
  const [first, last] = [of(low), of(high)];
  return (value) => (last > first ? (of(value) - first) / (last - first) : 0.5);
}

/* Viridis, by Smith and van der Walt: even to the eye, and to colour-blind ones; its last, pale part
   is left out, for it is hard to see on white. */
const VIRIDIS = [
  [68, 1, 84],
  [65, 68, 135],
  [42, 120, 142],
  [34, 168, 132],
  [122, 209, 81],
  [189, 223, 38],
];

/** A colour for a number between 0 and 1. */
function shade(unit) {
  const at = Math.min(Math.max(unit, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mixed = VIRIDIS[below].map((low, i) =>
    Math.round(low + (VIRIDIS[below + 1][i] - low) * (at - below)),
  );
  return `rgb(${mixed.join(",")})`;
}

/** A colour that lets so much of what lies below be seen: of many lines the dense places show. */
function faded(color, count) {
  const alpha = Math.min(1, Math.max(0.08, 300 / count));
  return (
    color +
    Math.round(255 * alpha)
      .toString(16)
      .padStart(2, "0")
  );
}

/** The outline of a mark around (0, 0), as SVG and Path2D read it, or null for none. */
function markOutline(mark, r) {
  switch (mark.replace("-open", "")) {
    case "circle":
      return `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0z`;
    case "square":
      return `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`;
    case "diamond":
      return `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0z`;
    case "triangle-up":
      return `M0,${-1.2 * r}L${1.1 * r},${0.8 * r}H${-1.1 * r}z`;
    case "triangle-down":
      return `M0,${1.2 * r}L${1.1 * r},${-0.8 * r}H${-1.1 * r}z`;
    case "hexagon":
      return `M0,${-1.15 * r}L${r},${-0.58 * r}V${0.58 * r}L0,${1.15 * r}L${-r},${0.58 * r}V${-0.58 * r}z`;
    case "star":
      return `${Array.from({ length: 10 }, (_, i) => {
        const [angle, far] = [(Math.PI * i) / 5, (i % 2 ? 0.55 : 1.4) * r];
        return `${i ? "L" : "M"}${far * Math.sin(angle)},${-far * Math.cos(angle)}`;
      }).join("")}z`;
    case "pentagon":
      return `M0,${-1.2 * r}L${1.15 * r},${-0.35 * r}L${0.7 * r},${r}H${-0.7 * r}L${-1.15 * r},${-0.35 * r}z`;
    case "cross":
      return `M${-r},${-r}L${r},${r}M${-r},${r}L${r},${-r}`;
    case "plus":
      return `M${-r},0H${r}M0,${-r}V${r}`;
    case "none":
      return null;
    default:
      throw new Error(`there is no mark ${mark}`);
  }
}

/** Whether a mark is an outline only. */
function isHollow(mark) {
  return mark.endsWith("-open") || mark === "cross" || mark === "plus";
}
