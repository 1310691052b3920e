"use strict";
/* What stands beside a chart: boxes that show and hide its layers, and buttons that zoom. */

/** Buttons that zoom, for those who have no wheel. */
function zoomButtons(chart) {
  const button = (text, label, act) => {
    const element = make("button", { "aria-label": label, title: label }, text);
    element.addEventListener("click", act);
    return element;
  };
  return make(
    "span",
    { class: "right" },
    button("+", "zoom in", () => chart.zoomBy(1 / 1.3)),
    " ",
    button("−", "zoom out", () => chart.zoomBy(1.3)),
    " ",
    button("all", "show all again", () => chart.reset()),
  );
}

/** A legend: a box for each layer, the topmost first, that shows or hides it. */
function legend(parent, chart) {
  const list = make("div", { class: "legend" });
  for (const layer of [...chart.layers].reverse()) {
    if (!layer.legend) continue;
    const box = make("input", { type: "checkbox", "data-layer": layer.key });
    box.checked = layer.on;
    box.addEventListener("change", () => {
      for (const each of chart.layers) if (each.key === layer.key) each.on = box.checked;
      chart.draw();
    });
    list.append(make("label", {}, box, swatch(layer), make("span", {}, layer.legend)));
  }
  parent.append(list);
  return list;
}

/** How a layer looks, small. */
function swatch({ mark, color, line, size }) {
  const svg = makeSvg("svg", { viewBox: "-10 -9 20 18", "aria-hidden": "true" });
  if (line)
    svg.append(
      makeSvg("path", {
        d: "M-10,0H10",
        stroke: color,
        "stroke-width": line.width,
        "stroke-dasharray": line.dash?.join(" "),
      }),
    );
  const outline = markOutline(mark, Math.min(size, 6));
  if (outline)
    svg.append(
      makeSvg("path", {
        d: outline,
        fill: isHollow(mark) ? "none" : color,
        stroke: isHollow(mark) ? color : "white",
        "stroke-width": isHollow(mark) ? 1.5 : 1,
      }),
    );
  return svg;
}
