"use strict";
/* How the front grew: its hypervolume over the trials that had ended, and over their epochs. */

tabs.progress = (element, data, page) => {
  const { trial, ended, epochs, hypervolume, growth } = data.progress;
  if (!trial.length) {
    element.append(make("p", { class: "note" }, "No trial has ended yet."));
    return;
  }
  element.append(make("p", {}, lateGrowth(hypervolume, growth)));
  const side = make("div", { class: "side" });
  element.append(side);
  const first = firstVolume(hypervolume);
  for (const [key, values, xTitle] of [
    ["trials", ended, "trials that had ended"],
    ["epochs", epochs, "epochs that they had trained, together"],
  ]) {
    page.charts[key] = new Chart(side, {
      xTitle,
      yTitle: "hypervolume of the front",
      xRange: roomy([values[first], values.at(-1)], 0.03),
      yRange: roomy(extent(hypervolume.slice(first))),
      layers: growthLayers(data, values, first),
      onPick: (layer, i) => layer.key === "all" && pinTrial(trial[i]),
    });
  }
  element.append(
    make(
      "p",
      { class: "muted hint" },
      `A dot is a trial that added volume. It is bounded by the references ${data.objectives.map((each) => `${each.metric} ${each.reference}`).join(", ")}; trials that train count when they end.`,
    ),
  );
};

/** The volume over so many trials or epochs: as stairs, and with a dot where it grew. What one points
    at is any trial, hence a layer that tells and is not seen. */
function growthLayers(data, values, first) {
  const { hypervolume } = data.progress;
  const grew = hypervolume
    .map((_, i) => i)
    .filter((i) => hypervolume[i] > (hypervolume[i - 1] ?? 0));
  const look = { on: true, color: data.colors.front };
  return [
    {
      ...look,
      key: "steps",
      points: stairs(values.slice(first), hypervolume.slice(first)),
      mark: "none",
      line: { width: 2 },
    },
    {
      ...look,
      key: "all",
      points: { x: values, y: hypervolume },
      mark: "none",
      size: 0,
      hover: (i) => stepHover(data, i),
    },
    {
      ...look,
      key: "grew",
      points: { x: grew.map((i) => values[i]), y: grew.map((i) => hypervolume[i]) },
      mark: "circle",
      size: 4,
    },
  ];
}

/** What is told of a study when its i-th trial had ended. */
function stepHover(data, i) {
  const { trial, ended, epochs, hypervolume, size } = data.progress;
  const state = data.trials.state[data.rowOf.get(trial[i])];
  return [
    make("h3", {}, `when trial ${trial[i]} had ended (${state})`),
    definitions([
      ["trials ended", String(ended[i])],
      ["their epochs", String(epochs[i])],
      ["hypervolume", String(Number(hypervolume[i].toPrecision(5)))],
      ["on the front", String(size[i])],
    ]),
  ];
}

/** Where the curve begins: at the first trial that covers anything. Nobody wants to see the way up from
    nothing, beside which all that comes later is flat. */
function firstVolume(hypervolume) {
  return Math.max(
    0,
    hypervolume.findIndex((each) => each > 0),
  );
}

/** A value holds until the next one. */
function stairs(x, y) {
  const points = { x: [x[0]], y: [y[0]] };
  for (let i = 1; i < x.length; i++) {
    points.x.push(x[i], x[i]);
    points.y.push(points.y.at(-1), y[i]);
  }
  return points;
}

/** Whether more trials still help, as far as the last of them tell. */
function lateGrowth(hypervolume, growth) {
  const [count, now] = [hypervolume.length, hypervolume.at(-1)];
  if (!now) return "The hypervolume is 0: no trial is better than every reference.";
  if (!growth) return `${count} trials have ended: too few to tell whether more would help.`;
  const told = growth.gained
    ? `${Number((100 * growth.gained).toPrecision(2))} % of it`
    : "nothing";
  return `The hypervolume is ${Number(now.toPrecision(4))}; the last ${growth.trials} of the ${count} trials added ${told}.`;
}
