"use strict";
/* The front in the plane of two objectives, with all trials, other codecs and other studies. */

const MANY_PATHS = 400; // trials, with more of which learning paths are hidden at first

tabs.front = (element, data, page) => {
  const bar = make("div", { class: "bar" });
  const side = make("div", { class: "side" });
  element.append(bar, side);
  const view = {
    plane: data.planes[0],
    colored: defaultColoring(data),
    hidden: new Set(),
    legend: null,
  };
  const chart = new Chart(side, {
    ...axesOf(data, view.plane),
    layers: frontLayers(data, view),
    trialOf: (layer, i) => (layer.points.row ? data.trials.number[layer.points.row[i]] : null),
    onPick: (layer, i) => layer.points.row && pinTrial(data.trials.number[layer.points.row[i]]),
  });
  page.charts.front = chart;
  const show = (moved) => {
    const hidden = new Set(chart.layers.filter((each) => !each.on).map((each) => each.key));
    const shown = new Set(chart.layers.filter((each) => each.on).map((each) => each.key));
    const layers = frontLayers(data, view);
    for (const each of layers) each.on = shown.has(each.key) || (!hidden.has(each.key) && each.on);
    chart.update({ ...(moved ? axesOf(data, view.plane) : {}), layers });
    view.legend.remove();
    view.legend = frontLegend(side, chart, data, view);
  };
  if (data.planes.length > 1) {
    const choices = data.planes.map((plane, i) => [i, `${plane.x} and ${plane.y}`]);
    bar.append(
      menu("plane", choices, (i) => {
        view.plane = data.planes[i];
        document.getElementById("subtitle").textContent = view.plane.subtitle;
        show(true);
      }),
    );
  }
  const coloring = menu("colour", colorings(data), (key) => {
    view.colored = key;
    show(false);
  });
  coloring.querySelector("select").value = view.colored;
  bar.append(coloring, make("span", { class: "muted" }, outOfSight(data)), zoomButtons(chart));
  view.legend = frontLegend(side, chart, data, view);
  for (const standing of data.standings) {
    element.append(make("p", { class: "note standing" }, `${standing}.`));
  }
  for (const reason of data.unmeasured) {
    element.append(make("p", { class: "note" }, `${reason}.`));
  }
  for (const caution of data.cautions) {
    element.append(make("p", { class: "note caution" }, `Caution: ${caution}.`));
  }
  element.append(
    make(
      "p",
      { class: "muted hint" },
      "Point at a trial to see its setting, click to pin it. Drag a box or turn the wheel to zoom, " +
        "drag with Shift to move, double-click to see all again. Unfinished trials stand at their last estimate.",
    ),
  );
};

function axesOf(data, plane) {
  return {
    xTitle: data.metrics[plane.x].title,
    yTitle: data.metrics[plane.y].title,
    xRange: plane.xRange,
    yRange: plane.yRange,
  };
}

/** How many trials have no place in any plane. */
function outOfSight(data) {
  const { x, y } = data.planes[0];
  const missing = data.rows.filter(
    (row) => newest(data, row, x).value === null || newest(data, row, y).value === null,
  ).length;
  return missing
    ? `${missing} of ${data.rows.length} trials have no values yet`
    : `${data.rows.length} trials`;
}

function frontLayers(data, view) {
  const { x, y } = view.plane;
  const metrics = [...new Set([x, y, ...data.shown])];
  const shades = coloring(data, view.colored);
  const unit = shades && unitScale(shades.range, shades.log);
  const colorsOf = (rows) =>
    rows.map((row) => {
      const value = shades.of(row);
      return value === null ? data.colors.faint : shade(unit(value));
    });
  const groups = data.groups.map(({ key, legend, color, mark, count }) => {
    const points = placesOf(data, key, x, y);
    const layer = {
      key,
      mark,
      points,
      on: true,
      color: isHollow(mark) ? faded(color, points.row.length) : color,
      legend: `${legend} (${count})`,
      size: key === "front" ? 6.5 : points.row.length > 1000 ? 3 : key === "beaten" ? 5 : 4.5,
      hover: (i) => trialHover(data, points.row[i], metrics),
    };
    if (shades && !isHollow(mark)) layer.colors = colorsOf(points.row);
    return key === "front" ? asFront(data, layer) : layer;
  });
  const below = groups.filter((each) => each.key !== "front");
  return [
    pathsLayer(data, x, y),
    ...below,
    ...data.curves.filter(() => x === "bpp" && y === "d1_psnr_db").map((each) => curveLayer(each)),
    ...data.rivals.map((each) => rivalLayer(data, each, x, y)),
    ...data.others.map((each, place) => otherLayer(data, each, place, x, y, metrics)),
    ...earlierLayers(data, x, y),
    ...groups.filter((each) => each.key === "front"),
    ...publishedLayers(data, x, y),
  ].filter((layer) => layer.points.x.length);
}

/** The front's members are elements, in order from left to right, on a line where two objectives
    span it, with their names and as many settings as have room. */
function asFront(data, layer) {
  const { points } = layer;
  const order = points.x
    .map((_, i) => i)
    .sort((a, b) => points.x[a] - points.x[b] || points.y[a] - points.y[b]);
  for (const column of ["x", "y", "row"]) points[column] = order.map((i) => points[column][i]);
  if (layer.colors) layer.colors = order.map((i) => layer.colors[i]);
  const named = points.row.map((row, i) => ({
    i,
    text: data.nameOf.get(data.trials.number[row])?.join(", "),
    at: "below",
    color: data.colors.front,
  }));
  return {
    ...layer,
    asElements: true,
    line: data.objectives.length === 2 ? { width: 2.5 } : null,
    texts: [
      ...named.filter((each) => each.text),
      ...(data.objectives.length === 2 ? settingTexts(data, points) : []),
    ],
  };
}

/** The weight of the rate at the members of the front. */
function settingTexts(data, points) {
  const setting = data.settings.find((each) => each.name === "loss.bpp_lambda");
  if (!setting) return [];
  const given = points.row
    .map((row, i) => ({ i, value: setting.values[row] }))
    .filter((each) => each.value !== null);
  return given.map(({ i, value }) => ({
    i,
    text: `λ ${settingText(setting, value)}`,
    at: "above",
    color: data.colors.ink,
  }));
}

/** How each trial came to its place, as one layer. */
function pathsLayer(data, x, y) {
  const points = { x: [], y: [] };
  for (const row of data.rows) {
    const end = [newest(data, row, x).value, newest(data, row, y).value];
    for (const step of pathOf(data, row, x, y)) {
      points.x.push(step.x);
      points.y.push(step.y);
    }
    points.x.push(end[1] === null ? null : end[0], null);
    points.y.push(end[1], null);
  }
  const on = data.rows.length <= MANY_PATHS;
  return {
    key: "paths",
    legend: "learning path, epoch by epoch (estimated rate)",
    points,
    on,
    color: data.colors.faint,
    mark: "circle",
    size: 1.5,
    line: { width: 1 },
  };
}

function curveLayer({ name, legend, color, mark, points }) {
  const columns = { x: points.map(([bpp]) => bpp), y: points.map(([, psnr]) => psnr) };
  return {
    key: `curve ${name}`,
    legend,
    color,
    mark,
    size: 4.5,
    on: true,
    points: columns,
    line: { width: 1.8, dash: [6, 4] },
    hover: (i) => [
      make("h3", {}, name),
      definitions([
        ["bpp", columns.x[i].toFixed(3)],
        ["D1 PSNR dB", columns.y[i].toFixed(2)],
      ]),
    ],
  };
}

/** A codec that stands beside every front, in any plane of what is known of it. */
function rivalLayer(data, { key, name, legend, color, mark, settings, values }, x, y) {
  const order = (x in values && y in values ? settings : [])
    .map((_, i) => i)
    .filter((i) => values[x][i] !== null && values[y][i] !== null)
    .sort((a, b) => values[x][a] - values[x][b]);
  return {
    key: `rival ${key}`,
    legend,
    color,
    mark,
    size: 5,
    on: true,
    points: { x: order.map((i) => values[x][i]), y: order.map((i) => values[y][i]) },
    line: { width: 1.8, dash: [8, 3, 2, 3] },
    hover: (at) => [
      make("h3", {}, `${name}, ${settings[order[at]]}`),
      definitions(
        Object.entries(values)
          .filter(([metric, column]) => metric in data.metrics && column[order[at]] !== null)
          .map(([metric, column]) => [
            data.metrics[metric].heading,
            format(column[order[at]], data.metrics[metric].digits),
          ]),
      ),
    ],
  };
}

/** The front of another study. */
function otherLayer(data, other, place, x, y, metrics) {
  const order = other.number
    .map((_, i) => i)
    .filter((i) => other.values[x][i] !== null && other.values[y][i] !== null);
  order.sort((a, b) => other.values[x][a] - other.values[x][b]);
  const points = {
    x: order.map((i) => other.values[x][i]),
    y: order.map((i) => other.values[y][i]),
  };
  return {
    key: `other ${place}`,
    legend: other.legend,
    color: other.color,
    mark: other.mark,
    size: 4.5,
    on: true,
    points,
    line: data.objectives.length === 2 ? { width: 1.8, dash: [2, 3] } : null,
    hover: (i) => {
      const at = order[i];
      return [
        make("h3", {}, `${other.name}, trial ${other.number[at]}`),
        definitions([
          ...metrics
            .filter((each) => other.values[each][at] !== null)
            .map((each) => [
              data.metrics[each].heading,
              format(other.values[each][at], data.metrics[each].digits),
            ]),
          ...Object.entries(other.settings[at]).map(([key, value]) => [
            key,
            settingText(null, value),
          ]),
        ]),
      ];
    },
  };
}

/** Codecs of earlier epochs that are on the front over all epochs: hollow, for they are estimates. */
function earlierLayers(data, x, y) {
  const found = data.earlier.filter((each) => x in each.values && y in each.values);
  if (!found.length) return [];
  const points = {
    x: found.map((each) => each.values[x]),
    y: found.map((each) => each.values[y]),
    row: found.map((each) => data.rowOf.get(each.trial)),
  };
  return [
    {
      key: "earlier",
      legend: `earlier epochs that are kept, would be on the front (${found.length})`,
      points,
      on: true,
      color: data.colors.front,
      mark: "circle-open",
      size: 4,
      hover: (i) => [
        make("h3", {}, `trial ${found[i].trial} after epoch ${found[i].epoch}`),
        definitions(
          [x, y].map((each) => [
            data.metrics[each].heading,
            `~${format(found[i].values[each], data.metrics[each].digits)}`,
          ]),
        ),
        make("code", {}, exportCommand(data, found[i].trial, found[i].epoch)),
      ],
    },
  ];
}

/** The ring around the trial with the published coefficients. */
function publishedLayers(data, x, y) {
  const row = data.rowOf.get(data.trials.published);
  if (row === undefined) return [];
  const [px, py] = [newest(data, row, x).value, newest(data, row, y).value];
  if (px === null || py === null) return [];
  return [
    {
      key: "published",
      legend: "published coefficients",
      points: { x: [px], y: [py] },
      on: true,
      color: data.colors.published,
      mark: "diamond-open",
      size: 8,
    },
  ];
}
