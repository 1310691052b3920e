"use strict";
/* What a hand does with a chart. The pointer: moving tells, a click picks, dragging zooms into a box
   or, with Shift, moves; the wheel zooms. The keys: see Chart.label. */

function handle(chart) {
  const at = (event) => {
    const frame = chart.element.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const { svg } = chart;
  let begin = null;
  let box = null;
  const end = () => {
    begin = null;
    box?.remove();
    box = null;
  };
  svg.addEventListener("pointerdown", (event) => {
    begin = { at: at(event), xRange: chart.xRange, yRange: chart.yRange };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!begin) return chart.point(chart.nearest(...at(event)));
    if (event.shiftKey) return moveFrom(chart, begin, at(event));
    box ??= svg.appendChild(
      makeSvg("rect", { fill: "rgb(0 114 178 / 10%)", stroke: page.data.colors.front }),
    );
    furnish(box, boxBetween(begin.at, at(event)), []);
  });
  svg.addEventListener("pointerup", (event) => {
    const [from, here] = [begin?.at, at(event)];
    end();
    if (!from || event.shiftKey) return;
    const { width, height } = boxBetween(from, here);
    if (width > 5 && height > 5) return zoomToBox(chart, from, here);
    const found = chart.nearest(...here);
    chart.point(found);
    if (found) chart.onPick(found.layer, found.i);
  });
  svg.addEventListener("pointercancel", end);
  svg.addEventListener("pointerleave", () => {
    if (!begin) chart.point(null);
  });
  svg.addEventListener("dblclick", () => chart.reset());
  const turn = (event) => {
    const scrolls = document.documentElement.scrollHeight > innerHeight + 2;
    if (scrolls && !event.ctrlKey && document.activeElement !== chart.element) return;
    event.preventDefault();
    chart.zoomBy(Math.exp(event.deltaY / 500), ...at(event)); // a mouse's step is 100, a pad's 4
  };
  svg.addEventListener("wheel", turn, { passive: false });
  chart.element.addEventListener("keydown", (event) => pressKey(chart, event));
  chart.element.addEventListener("blur", () => chart.point(null));
}

function boxBetween(a, b) {
  const [x, y] = [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
  return { x, y, width: Math.abs(a[0] - b[0]), height: Math.abs(a[1] - b[1]) };
}

function zoomToBox(chart, a, b) {
  const [first, second] = [chart.dataAt(...a), chart.dataAt(...b)];
  const sorted = (axis) => [first[axis], second[axis]].sort((one, two) => one - two);
  chart.zoomTo(sorted(0), sorted(1));
}

/** Move what is shown by as much as the pointer has moved since it went down. */
function moveFrom(chart, begin, here) {
  const [dx, dy] = [here[0] - begin.at[0], here[1] - begin.at[1]];
  const across = (dx / chart.width) * (begin.xRange[1] - begin.xRange[0]);
  const up = (dy / chart.height) * (begin.yRange[1] - begin.yRange[0]);
  chart.zoomTo(
    begin.xRange.map((each) => each - across),
    begin.yRange.map((each) => each + up),
  );
}

/** Zoom, or go along the points of the topmost layer that has them as elements. */
function pressKey(chart, event) {
  const zooms = {
    "+": () => chart.zoomBy(1 / 1.3),
    "-": () => chart.zoomBy(1.3),
    0: () => chart.reset(),
  };
  if (zooms[event.key]) return zooms[event.key]();
  const { pointed } = chart;
  if (event.key === "Escape") return chart.point(null);
  if (event.key === "Enter" && pointed) return chart.onPick(pointed.layer, pointed.i);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const layer = chart.layers.findLast((each) => each.on && each.asElements && each.hover);
  const count = layer?.points.x.length;
  if (!step || !count) return;
  event.preventDefault();
  const before = pointed?.layer === layer ? pointed.i : step > 0 ? -1 : count;
  chart.point({ layer, i: (before + step + count) % count });
}
