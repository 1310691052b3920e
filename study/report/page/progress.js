"use strict";
/* How the front grew: its hypervolume over the trials that had ended, and over their epochs. */

tabs.progress = (element, data, page) => {
  const { trial, ended, epochs, hypervolume, size, growth } = data.progress;
  if (!trial.length) {
    element.append(make("p", { class: "note" }, "No trial has ended yet."));
    return;
  }
  element.append(make("p", {}, lateGrowth(hypervolume, growth)));
  const side = make("div", { class: "side" });
  element.append(side);
  const hover = (i) => {
    const row = data.rowOf.get(trial[i]);
    return [
      make("h3", {}, `when trial ${trial[i]} had ended (${data.trials.state[row]})`),
      definitions([
        ["trials ended", String(ended[i])],
        ["their epochs", String(epochs[i])],
        ["hypervolume", String(Number(hypervolume[i].toPrecision(5)))],
        ["on the front", String(size[i])],
      ]),
    ];
  };
  for (const [key, values, xTitle] of [
    ["trials", ended, "trials that had ended"],
    ["epochs", epochs, "epochs that they had trained, together"],
  ]) {
    const grew = hypervolume
      .map((_, i) => i)
      .filter((i) => hypervolume[i] > (hypervolume[i - 1] ?? 0));
    page.charts[key] = new Chart(side, {
      xTitle,
      yTitle: "hypervolume of the front",
      xRange: roomy([0, values.at(-1)], 0.03),
      yRange: roomy([0, extent(hypervolume)[1]]),
      layers: [
        {
          key: "steps",
          points: stairs(values, hypervolume),
          on: true,
          color: data.colors.front,
          mark: "none",
          line: { width: 2 },
        },
        {
          key: "all",
          points: { x: values, y: hypervolume },
          on: true,
          mark: "none",
          color: data.colors.front,
          size: 0,
          hover,
        },
        {
          key: "grew",
          points: { x: grew.map((i) => values[i]), y: grew.map((i) => hypervolume[i]) },
          on: true,
          color: data.colors.front,
          mark: "circle",
          size: 4,
        },
      ],
      onPick: (layer, i) => layer.key === "all" && pinTrial(trial[i]),
    });
  }
  element.append(
    make(
      "p",
      { class: "muted hint" },
      `A dot is a trial that widened the front. The volume is bounded by the references ${data.objectives.map((each) => `${each.metric} ${each.reference}`).join(", ")}; trials that train count when they end.`,
    ),
  );
};

/** A value holds until the next one. */
function stairs(x, y) {
  const points = { x: [0], y: [0] };
  for (let i = 0; i < x.length; i++) {
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
