"use strict";
/* A plane of points and lines: axes, zoom, and what is under the pointer.

   What there is much of is drawn on a canvas: 10,000 points take it a few milliseconds, and it needs
   no WebGL, which remote desktops lack. Axes, texts and the front are SVG above it. */

const MARGIN = { left: 70, right: 16, top: 10, bottom: 46 };
const MOST_MARKS = 40000; // of a layer; of more, lines alone are drawn
const REACH = 28; // pixels from the pointer to what it points at, at most
const MOST_ZOOM = 1e6; // times in and out: far beyond, neighbouring numbers are pixels apart

class Chart {
  /** options:
      xTitle, yTitle; xRange, yRange: what is shown first.
      layers: from the lowest to the topmost, each
        {key, on, points: {x, y, ...}, color, mark, size, line, asElements, hover, colors, texts}:
        mark "none" draws no points; line: {width, dash} joins them, and a null in x ends a line;
        asElements: points are SVG elements with data-trial and one can walk along them by keys;
        hover(i): what is shown when pointing at point i, a list of elements;
        colors: of each point; texts: [{i, text, at: "above"|"below", color}].
      trialOf(layer, i): the number of the trial that a point stands for, or null.
      onPick(layer, i): called when a point is clicked. */
  constructor(parent, options) {
    Object.assign(this, { trialOf: () => null, onPick: () => {} }, options);
    this.home = { xRange: options.xRange, yRange: options.yRange };
    this.element = make("div", {
      class: "chart",
      tabindex: "0",
      role: "application",
      "aria-label": this.label(),
    });
    this.canvas = make("canvas");
    this.svg = makeSvg("svg");
    this.element.append(this.canvas, this.svg);
    parent.append(this.element);
    handle(this);
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.draw();
  }

  label() {
    return `chart: ${this.yTitle} over ${this.xTitle}. Arrow keys go along the points, Enter pins one; plus, minus and 0 zoom.`;
  }

  /** Replace what is drawn; the zoom stays unless other ranges are given. */
  update(options) {
    Object.assign(this, options);
    if (options.xRange) this.home = { xRange: options.xRange, yRange: options.yRange };
    this.draw();
  }

  /** From data to pixels, within the element. */
  px(x) {
    return MARGIN.left + ((x - this.xRange[0]) / (this.xRange[1] - this.xRange[0])) * this.width;
  }
  py(y) {
    return MARGIN.top + ((this.yRange[1] - y) / (this.yRange[1] - this.yRange[0])) * this.height;
  }

  /** And back. */
  dataAt(px, py) {
    return [
      this.xRange[0] + ((px - MARGIN.left) / this.width) * (this.xRange[1] - this.xRange[0]),
      this.yRange[1] - ((py - MARGIN.top) / this.height) * (this.yRange[1] - this.yRange[0]),
    ];
  }

  /** Draw at the next frame, however often it is asked for until then. */
  redraw() {
    this.asked ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.asked);
    this.asked = undefined;
    const { width, height } = this.element.getBoundingClientRect();
    this.width = Math.max(10, width - MARGIN.left - MARGIN.right);
    this.height = Math.max(10, height - MARGIN.top - MARGIN.bottom);
    const context = emptied(this.canvas, width, height);
    this.svg.replaceChildren();
    this.drawAxes(context);
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, MARGIN.top, this.width, this.height);
    context.clip();
    for (const layer of this.layers.filter((each) => each.on)) {
      this.drawLine(context, layer);
      if (layer.asElements) this.addElements(layer);
      else this.drawMarks(context, layer);
    }
    context.restore();
    for (const layer of this.layers.filter((each) => each.on)) this.addTexts(layer);
    this.addPinned();
    this.ring = this.svg.appendChild(
      makeSvg("circle", {
        r: 9,
        fill: "none",
        stroke: page.data.colors.ink,
        "stroke-width": 1.5,
        visibility: "hidden",
      }),
    );
  }

  drawAxes(context) {
    const [bottom, right] = [MARGIN.top + this.height, MARGIN.left + this.width];
    context.strokeStyle = page.data.colors.grid;
    context.beginPath();
    for (const { value, text } of ticks(this.xRange, this.width / 90)) {
      const x = this.px(value);
      context.moveTo(x, MARGIN.top);
      context.lineTo(x, bottom);
      this.svg.append(makeSvg("text", { x, y: bottom + 17, "text-anchor": "middle" }, text));
    }
    for (const { value, text } of ticks(this.yRange, this.height / 50)) {
      const y = this.py(value);
      context.moveTo(MARGIN.left, y);
      context.lineTo(right, y);
      this.svg.append(
        makeSvg("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, text),
      );
    }
    context.stroke();
    const [x, y] = [MARGIN.left + this.width / 2, MARGIN.top + this.height / 2];
    this.svg.append(
      makeSvg("text", { x, y: bottom + 38, "text-anchor": "middle", class: "axis" }, this.xTitle),
      makeSvg(
        "text",
        { "text-anchor": "middle", class: "axis", transform: `translate(14,${y}) rotate(-90)` },
        ...titleLines(this.yTitle, this.height),
      ),
    );
  }

  drawLine(context, { line, points, color }) {
    if (!line) return;
    context.strokeStyle = color;
    context.lineWidth = line.width;
    context.setLineDash(line.dash ?? []);
    // Each piece is stroked by itself: one path of many thousands takes far longer.
    let begun = false;
    for (let i = 0; i <= points.x.length; i++) {
      if (i === points.x.length || points.x[i] === null) {
        if (begun) context.stroke();
        begun = false;
        continue;
      }
      const [x, y] = [this.px(points.x[i]), this.py(points.y[i])];
      if (begun) context.lineTo(x, y);
      else (context.beginPath(), context.moveTo(x, y));
      begun = true;
    }
    context.setLineDash([]);
  }

  drawMarks(context, { points, color, colors, mark, size }) {
    const outline = markOutline(mark, size);
    if (!outline || points.x.length > MOST_MARKS) return;
    const [path, hollow] = [new Path2D(outline), isHollow(mark)];
    const many = points.x.length > 3000; // then a white edge is more than what it divides
    context.lineWidth = hollow ? 1.5 : 1;
    for (let i = 0; i < points.x.length; i++) {
      if (points.x[i] === null || !this.sees(points.x[i], points.y[i])) continue;
      const [x, y] = [this.px(points.x[i]), this.py(points.y[i])];
      context.translate(x, y);
      context.fillStyle = colors ? colors[i] : color;
      context.strokeStyle = hollow ? context.fillStyle : "white";
      if (!hollow) context.fill(path);
      if (hollow || !many) context.stroke(path);
      context.translate(-x, -y);
    }
  }

  addElements(layer) {
    const group = makeSvg("g", { "data-layer": layer.key });
    layer.points.x.forEach((x, i) => {
      if (!this.sees(x, layer.points.y[i])) return;
      const [px, py] = [this.px(x), this.py(layer.points.y[i])];
      const look = isHollow(layer.mark)
        ? { fill: "none", stroke: layer.colors?.[i] ?? layer.color, "stroke-width": 2 }
        : {
            fill: layer.colors?.[i] ?? layer.color,
            stroke: layer.colors ? page.data.colors.ink : "white",
            "stroke-width": 1,
          };
      const trial = this.trialOf(layer, i);
      group.append(
        makeSvg("path", {
          d: markOutline(layer.mark, layer.size),
          transform: `translate(${px},${py})`,
          "data-trial": trial,
          ...look,
        }),
      );
    });
    this.svg.append(group);
  }

  /** Write texts at points, but for those that would meet one before. */
  addTexts(layer) {
    const taken = [];
    for (const { i, text, at, color } of layer.texts ?? []) {
      const [x, y] = [layer.points.x[i], layer.points.y[i]];
      if (!this.sees(x, y)) continue;
      const [wide, above] = [7 * text.length, at === "above"];
      const place = { x: this.px(x) + (above ? -8 : 8), y: this.py(y) + (above ? -8 : 17) };
      const left = above ? place.x - wide : place.x;
      if (
        taken.some(
          (other) =>
            left < other.right && left + wide > other.left && Math.abs(place.y - other.y) < 15,
        )
      )
        continue;
      taken.push({ left, right: left + wide, y: place.y });
      this.svg.append(
        makeSvg(
          "text",
          {
            ...place,
            "text-anchor": above ? "end" : "start",
            class: "halo",
            style: `fill: ${color}`,
          },
          text,
        ),
      );
    }
  }

  /** A ring around the trial at the side. */
  addPinned() {
    if (page.pinned === null) return;
    for (const layer of this.layers.filter((each) => each.on)) {
      const i = layer.points.x.findIndex((_, at) => this.trialOf(layer, at) === page.pinned);
      if (i < 0 || !this.sees(layer.points.x[i], layer.points.y[i])) continue;
      const place = { cx: this.px(layer.points.x[i]), cy: this.py(layer.points.y[i]), r: 12 };
      const look = { fill: "none", stroke: page.data.colors.ink, "stroke-dasharray": "3 2" };
      this.svg.append(makeSvg("circle", { class: "pinned", ...place, ...look }));
      return;
    }
  }

  sees(x, y) {
    return x >= this.xRange[0] && x <= this.xRange[1] && y >= this.yRange[0] && y <= this.yRange[1];
  }

  /** The point nearest to a pixel, of the layers that tell something: {layer, i}, or null. Of the
      topmost layers a point counts as nearer than it is. */
  nearest(px, py) {
    let [found, least] = [null, REACH * REACH];
    for (const layer of this.layers) {
      if (!layer.on || !layer.hover) continue;
      const favour = layer.asElements ? 0.4 : 1;
      const { x, y } = layer.points;
      for (let i = 0; i < x.length; i++) {
        if (x[i] === null || !this.sees(x[i], y[i])) continue;
        const distance = favour * ((this.px(x[i]) - px) ** 2 + (this.py(y[i]) - py) ** 2);
        if (distance < least) [found, least] = [{ layer, i }, distance];
      }
    }
    return found;
  }

  /** Tell of a point, or of none. */
  point(found) {
    this.pointed = found;
    this.ring.setAttribute("visibility", found ? "visible" : "hidden");
    if (!found) return hideHover();
    const { layer, i } = found;
    const [x, y] = [this.px(layer.points.x[i]), this.py(layer.points.y[i])];
    this.ring.setAttribute("cx", x);
    this.ring.setAttribute("cy", y);
    const frame = this.element.getBoundingClientRect();
    showHover(frame.left + x, frame.top + y, ...layer.hover(i));
  }

  /** Show these ranges, unless one is far smaller or far larger than what is shown first. */
  zoomTo(xRange, yRange) {
    if (!canZoom(this.home.xRange, xRange) || !canZoom(this.home.yRange, yRange)) return;
    Object.assign(this, { xRange, yRange });
    this.point(null);
    this.redraw();
  }

  /** Zoom by a factor around a pixel; around the middle without one. */
  zoomBy(factor, px = MARGIN.left + this.width / 2, py = MARGIN.top + this.height / 2) {
    const [x, y] = this.dataAt(px, py);
    const around = ([low, high], at) => [at + (low - at) * factor, at + (high - at) * factor];
    this.zoomTo(around(this.xRange, x), around(this.yRange, y));
  }

  reset() {
    this.zoomTo(this.home.xRange, this.home.yRange);
  }
}

/** Make a canvas empty and of this size, as sharp as the screen is, and give what draws into it. */
function emptied(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

function canZoom(home, range) {
  const times = (home[1] - home[0]) / (range[1] - range[0]);
  return times < MOST_ZOOM && times > 1 / MOST_ZOOM;
}

/** A title in two lines where one would be longer than its axis: no PSNR goes without its peak. */
function titleLines(title, length) {
  const cut = title.indexOf(", ");
  if (7 * title.length < length || cut < 0) return [title];
  const second = makeSvg("tspan", { x: 0, dy: 15 }, title.slice(cut + 1).trim());
  return [makeSvg("tspan", { x: 0, dy: -3 }, title.slice(0, cut + 1)), second];
}
