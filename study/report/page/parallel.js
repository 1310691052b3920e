"use strict";
/* Parallel coordinates: an axis for each setting and objective, a line for each finished trial.
   Dragging along an axis leaves the trials within; pointing at a line tells of its trial. */

const PARALLEL = { left: 70, right: 70, top: 34, bottom: 28 };

tabs.parallel = (element, data, page) => {
  const rows = data.rows.filter((row) => ["front", "beaten"].includes(data.trials.group[row]));
  if (!rows.length) {
    element.append(make("p", { class: "note" }, nothingToCompare(data)));
    return;
  }
  const drawing = new Parallel(element, data, rows);
  page.charts.parallel = drawing;
  element.append(
    make(
      "p",
      { class: "muted hint" },
      "Finished trials; the front is dark, and drawn last. Drag along an axis to see only the trials within, click it to see all " +
        "again; point at a line to see its trial, click to pin it. Objectives are drawn so that up is better.",
    ),
  );
};

class Parallel {
  constructor(parent, data, rows) {
    Object.assign(this, { data, rows, axes: parallelAxes(data, rows), within: new Map() });
    this.onFront = new Set(rows.filter((row) => data.trials.group[row] === "front"));
    this.element = make("div", { class: "chart", "aria-label": "parallel coordinates" });
    this.canvas = make("canvas");
    this.svg = makeSvg("svg");
    this.element.append(this.canvas, this.svg);
    this.count = make("p", { class: "muted" });
    parent.append(this.count, this.element);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.draw();
  }

  ax(axis) {
    return (
      PARALLEL.left + (this.axes.length > 1 ? axis / (this.axes.length - 1) : 0.5) * this.width
    );
  }
  ay(unit) {
    return PARALLEL.top + (1 - unit) * this.height;
  }

  /** Whether a trial lies within every part of an axis that was chosen. */
  isChosen(row) {
    for (const [axis, [low, high]] of this.within) {
      const unit = this.axes[axis].unit(row);
      if (unit === null || unit < low || unit > high) return false;
    }
    return true;
  }

  draw() {
    const { width, height } = this.element.getBoundingClientRect();
    this.width = Math.max(10, width - PARALLEL.left - PARALLEL.right);
    this.height = Math.max(10, height - PARALLEL.top - PARALLEL.bottom);
    const context = emptied(this.canvas, width, height);
    const chosen = this.rows.filter((row) => this.isChosen(row));
    this.chosen = chosen;
    const beaten = faded(this.data.colors.beaten, chosen.length);
    const draw = (row, color, thick) => {
      context.strokeStyle = color;
      context.lineWidth = thick;
      this.trace(context, row);
    };
    for (const row of chosen) if (!this.onFront.has(row)) draw(row, beaten, 0.8);
    for (const row of chosen) if (this.onFront.has(row)) draw(row, this.data.colors.front, 1.8);
    const pinned = this.data.rowOf.get(page.pinned);
    if (pinned !== undefined) draw(pinned, this.data.colors.ink, 2);
    if (this.pointed !== undefined) draw(this.pointed, this.data.colors.published, 3);
    this.drawAxes();
    const front = chosen.filter((row) => this.onFront.has(row)).length;
    this.count.textContent = `${chosen.length} of ${this.rows.length} finished trials, ${front} of them on the front`;
  }

  trace(context, row) {
    context.beginPath();
    let begun = false;
    this.axes.forEach((axis, i) => {
      const unit = axis.unit(row);
      if (unit === null) {
        begun = false;
        return;
      } // a setting that this trial does not have
      if (begun) context.lineTo(this.ax(i), this.ay(unit));
      else context.moveTo(this.ax(i), this.ay(unit));
      begun = true;
    });
    context.stroke();
  }

  drawAxes() {
    this.svg.replaceChildren();
    this.axes.forEach((axis, i) => {
      const [x, top, bottom] = [this.ax(i), this.ay(1), this.ay(0)];
      this.svg.append(
        makeSvg("line", { x1: x, x2: x, y1: top, y2: bottom, stroke: this.data.colors.muted }),
        makeSvg("text", { x, y: top - 18, "text-anchor": "middle", class: "axis" }, axis.title),
      );
      for (const { unit, text } of axis.ends) {
        this.svg.append(
          makeSvg(
            "text",
            { x: x + 5, y: this.ay(unit) + (unit === 1 ? -3 : unit === 0 ? 13 : 4), class: "halo" },
            text,
          ),
        );
      }
      if (!this.within.has(i)) return;
      const [low, high] = this.within.get(i);
      this.svg.append(
        makeSvg("rect", {
          x: x - 6,
          width: 12,
          y: this.ay(high),
          height: this.ay(low) - this.ay(high),
          fill: "rgb(0 114 178 / 25%)",
        }),
      );
    });
  }

  listen() {
    let begun = null;
    const at = (event) => {
      const frame = this.element.getBoundingClientRect();
      const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
      const axis = Math.round(((x - PARALLEL.left) / this.width) * (this.axes.length - 1));
      const near = axis >= 0 && axis < this.axes.length && Math.abs(this.ax(axis) - x) < 14;
      return { x, y, unit: 1 - (y - PARALLEL.top) / this.height, axis: near ? axis : null };
    };
    this.svg.addEventListener("pointerdown", (event) => {
      const here = at(event);
      if (here.axis !== null) begun = here;
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      const here = at(event);
      if (!begun) return this.point(this.nearest(here), event);
      this.choose(begun.axis, begun.unit, here.unit);
    });
    this.svg.addEventListener("pointerup", (event) => {
      const here = at(event);
      if (begun && Math.abs(here.y - begun.y) < 4) this.choose(begun.axis, 0, 0);
      else if (!begun && this.pointed !== undefined)
        pinTrial(this.data.trials.number[this.pointed]);
      begun = null;
    });
    this.svg.addEventListener("pointerleave", (event) => {
      if (!begun) this.point(undefined, event);
    });
  }

  /** Leave the trials between two heights of an axis; the whole axis if they are the same. */
  choose(axis, a, b) {
    if (Math.abs(a - b) < 1e-6) this.within.delete(axis);
    else this.within.set(axis, [Math.min(a, b), Math.max(a, b)]);
    this.pointed = undefined;
    hideHover();
    this.draw();
  }

  /** The trial whose line is nearest above or below the pointer; one of the front counts as nearer. */
  nearest({ x, y }) {
    const left = Math.floor(((x - PARALLEL.left) / this.width) * (this.axes.length - 1));
    if (left < 0 || left >= this.axes.length - 1) return undefined;
    const share = (x - this.ax(left)) / (this.ax(left + 1) - this.ax(left));
    let [found, least] = [undefined, 12];
    for (const row of this.chosen) {
      const [a, b] = [this.axes[left].unit(row), this.axes[left + 1].unit(row)];
      if (a === null || b === null) continue;
      const distance =
        Math.abs(this.ay(a + (b - a) * share) - y) * (this.onFront.has(row) ? 0.5 : 1);
      if (distance < least) [found, least] = [row, distance];
    }
    return found;
  }

  point(row, event) {
    if (row !== this.pointed) {
      this.pointed = row;
      this.draw();
    }
    if (row === undefined) return hideHover();
    showHover(
      event.clientX,
      event.clientY,
      ...trialHover(
        this.data,
        row,
        this.data.objectives.map((each) => each.metric),
      ),
    );
  }
}

/** The axes: {title, unit(row): 0...1 or null, ends: what is written at which height}. */
function parallelAxes(data, rows) {
  // A setting may be that of unfinished trials alone.
  const given = data.settings.filter((each) => rows.some((row) => each.values[row] !== null));
  const settings = given.map((setting) => {
    if (setting.choices) {
      const scale = unitScale([0, setting.choices.length - 1]);
      const ends = setting.choices.map((text, i) => ({ unit: scale(i), text }));
      return parallelAxis(setting.short, setting.values, scale, ends);
    }
    const range = extent(rows.map((row) => setting.values[row]));
    const scale = unitScale(range, setting.log);
    const ends =
      range[0] < range[1]
        ? range.map((value, i) => ({ unit: i, text: settingText(setting, value) }))
        : [{ unit: 0.5, text: settingText(setting, range[0]) }];
    return parallelAxis(setting.short, setting.values, scale, ends);
  });
  const objectives = data.objectives.map(({ metric, direction }) => {
    const { values, heading, digits } = data.metrics[metric];
    const range = extent(rows.map((row) => values[row]));
    const upward = unitScale(range);
    const down = direction === "minimize";
    const ends = range.map((value) => ({
      unit: down ? 1 - upward(value) : upward(value),
      text: format(value, digits),
    }));
    return parallelAxis(
      heading,
      values,
      (value) => (down ? 1 - upward(value) : upward(value)),
      ends,
    );
  });
  return [...settings, ...objectives];
}

function parallelAxis(title, values, scale, ends) {
  return { title, ends, unit: (row) => (values[row] === null ? null : scale(values[row])) };
}
