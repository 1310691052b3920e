"use strict";
/* Points coloured by an objective, a metric or a setting, and what the colours stand for. */

/** By what points can be coloured: [key, text]. */
function colorings(data) {
  const objectives = data.objectives.map((each) => each.metric);
  const others = Object.keys(data.metrics).filter((name) => !objectives.includes(name));
  return [
    ["", "by group"],
    ...[...objectives, ...others].map((name) => [
      `metric ${name}`,
      `by ${data.metrics[name].heading}`,
    ]),
    ...data.settings.map((each) => [`setting ${each.name}`, `by ${each.short}`]),
  ];
}

/** Of three objectives the third is seen by colour. */
function defaultColoring(data) {
  return data.objectives.length > 2 ? `metric ${data.objectives[2].metric}` : "";
}

/** What colours stand for: {title, of(row), range, log, texts}; null for groups. */
function coloring(data, key) {
  if (!key) return null;
  const [kind, name] = [key.slice(0, key.indexOf(" ")), key.slice(key.indexOf(" ") + 1)];
  const setting = kind === "setting" ? data.settings.find((each) => each.name === name) : null;
  const of = setting ? (row) => setting.values[row] : (row) => newest(data, row, name).value;
  // Of finished trials, unless none of them has a value: a setting may be that of others alone.
  const finished = data.rows.filter((row) => ["front", "beaten"].includes(data.trials.group[row]));
  const shown = finished.some((row) => of(row) !== null) ? finished : data.rows;
  const range = extent(shown.map(of));
  const log = setting?.log ?? false;
  const text = (value) =>
    setting ? settingText(setting, value) : format(value, data.metrics[name].digits);
  return { title: setting ? setting.name : data.metrics[name].title, of, range, log, text };
}

/** The legend, and below it what colours stand for. */
function frontLegend(side, chart, data, view) {
  const list = legend(side, chart);
  const shades = coloring(data, view.colored);
  if (!shades) return list;
  const stops = [0, 0.2, 0.4, 0.6, 0.8, 1].map(shade).join(",");
  list.append(
    make("div", { class: "scale", style: `background: linear-gradient(to right, ${stops})` }),
    make(
      "div",
      { class: "ends" },
      ...shades.range.map((end) => make("span", {}, shades.text(end))),
    ),
    make("div", { class: "muted" }, `${shades.title}${shades.log ? ", by its logarithm" : ""}`),
  );
  return list;
}
