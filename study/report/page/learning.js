"use strict";
/* Every epoch's estimate in the plane of two objectives: how trials move while they learn. */

tabs.learning = (element, data, page) => {
  const planes = data.planes.filter((plane) =>
    [plane.x, plane.y].every((name) => data.epochs.values[data.metrics[name].estimate]),
  );
  if (!planes.length || !data.epochs.count.some(Boolean)) {
    element.append(
      make(
        "p",
        { class: "note" },
        planes.length
          ? "No epoch has finished yet."
          : "Nothing estimates these objectives while a trial trains.",
      ),
    );
    return;
  }
  const bar = make("div", { class: "bar" });
  const side = make("div", { class: "side" });
  element.append(bar, side);
  const chart = new Chart(side, {
    ...learningView(data, planes[0]),
    onPick: (layer, i) => pinTrial(data.trials.number[layer.points.row[i]]),
  });
  page.charts.learning = chart;
  if (planes.length > 1) {
    bar.append(
      menu(
        "plane",
        planes.map((plane, i) => [i, `${plane.x} and ${plane.y}`]),
        (i) => chart.update(learningView(data, planes[i])),
      ),
    );
  }
  bar.append(zoomButtons(chart));
  legend(side, chart);
};

function learningView(data, plane) {
  const layers = [
    learningLayer(data, plane, "others", "other trials", {
      color: faded(data.colors.beaten, data.rows.length),
      size: 1.8,
      width: 0.8,
    }),
    learningLayer(data, plane, "front", "trials of the front", {
      color: data.colors.front,
      size: 3,
      width: 1.8,
    }),
  ];
  const points = layers.flatMap((layer) => layer.points.x.map((x, i) => [x, layer.points.y[i]]));
  const place = (name) => {
    const { title, heading, estimate } = data.metrics[name];
    return estimate === name
      ? `${title}, after each epoch`
      : `${heading}, estimated after each epoch`;
  };
  return {
    xTitle: place(plane.x),
    yTitle: place(plane.y),
    xRange: middle(points.map(([x]) => x)),
    yRange: middle(points.map(([, y]) => y)),
    layers,
  };
}

/** The range of all but a few values at each end, where diverged trials lie. */
function middle(values) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (!sorted.length) return [0, 1];
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const [low, high] = [at(0.02), at(0.98)];
  const reach = 0.5 * (high - low);
  return roomy([Math.max(sorted[0], low - reach), Math.min(sorted.at(-1), high + reach)]);
}

function learningLayer(data, { x, y }, key, words, { color, size, width }) {
  const points = { x: [], y: [], row: [], place: [] };
  let count = 0;
  for (const row of data.rows) {
    if ((data.trials.group[row] === "front") !== (key === "front")) continue;
    const path = pathOf(data, row, x, y);
    if (path.length) count++;
    for (const step of [...path, { x: null, y: null, place: null }]) {
      points.x.push(step.x);
      points.y.push(step.y);
      points.row.push(row);
      points.place.push(step.place);
    }
  }
  const hover = (i) => {
    const row = points.row[i];
    const values = [
      [x, points.x[i]],
      [y, points.y[i]],
    ];
    return [
      make(
        "h3",
        {},
        `${trialTitle(data, row)}, after epoch ${epochNumber(data, row, points.place[i])}`,
      ),
      definitions([
        ...values.map(([name, value]) => [
          data.metrics[name].heading,
          `~${format(value, data.metrics[name].digits)}`,
        ]),
        ...settingPairs(data, row),
      ]),
    ];
  };
  return {
    key,
    legend: `${words} (${count})`,
    points,
    on: true,
    color,
    mark: "circle",
    size: points.x.length > 20000 ? 1.2 : size,
    line: { width },
    hover,
  };
}
