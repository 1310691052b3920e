"use strict";
/* Learning curves: what validation estimated after each epoch, trial by trial. The plane of two
   objectives, with the same epochs as paths, is the first tab. */

tabs.learning = (element, data, page) => {
  const names = Object.keys(data.metrics).filter(
    (name) => data.epochs.values[data.metrics[name].estimate],
  );
  if (!names.length || !data.epochs.count.some(Boolean)) {
    element.append(
      make(
        "p",
        { class: "note" },
        names.length
          ? "No epoch has finished yet."
          : "Nothing estimates these objectives while a trial trains.",
      ),
    );
    return;
  }
  const bar = make("div", { class: "bar" });
  const side = make("div", { class: "side" });
  element.append(bar, side);
  const up = names.includes(data.planes[0].y) ? data.planes[0].y : names[0];
  const chart = new Chart(side, {
    ...learningView(data, up),
    onPick: (layer, i) => pinTrial(data.trials.number[layer.points.row[i]]),
  });
  page.charts.learning = chart;
  const choice = menu(
    "metric",
    names.map((name) => [name, data.metrics[name].heading]),
    (name) => chart.update(learningView(data, name)),
  );
  choice.querySelector("select").value = up;
  bar.append(choice, zoomButtons(chart));
  legend(side, chart);
};

function learningView(data, name) {
  const layers = [
    learningLayer(data, name, "others", "other trials", {
      color: faded(data.colors.beaten, data.rows.length),
      size: 1.8,
      width: 0.8,
    }),
    learningLayer(data, name, "front", "trials of the front", {
      color: data.colors.front,
      size: 3,
      width: 1.8,
    }),
  ];
  const { title, heading, estimate } = data.metrics[name];
  return {
    xTitle: "epoch",
    yTitle: estimate === name ? title : `${heading}, estimated`,
    xRange: roomy(extent(layers.flatMap((layer) => layer.points.x)), 0.03),
    yRange: middle(layers.flatMap((layer) => layer.points.y)),
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

function learningLayer(data, name, key, words, { color, size, width }) {
  const points = { x: [], y: [], row: [] };
  let count = 0;
  for (const row of data.rows) {
    if ((data.trials.group[row] === "front") !== (key === "front")) continue;
    const path = pathOf(data, row, name, name);
    if (path.length) count++;
    for (const { y, place } of path) {
      points.x.push(epochNumber(data, row, place));
      points.y.push(y);
      points.row.push(row);
    }
    for (const column of Object.values(points)) column.push(null); // The line ends.
  }
  const hover = (i) => {
    const row = points.row[i];
    const { heading, digits } = data.metrics[name];
    return [
      make("h3", {}, `${trialTitle(data, row)}, after epoch ${points.x[i]}`),
      definitions([[heading, `~${format(points.y[i], digits)}`], ...settingPairs(data, row)]),
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
