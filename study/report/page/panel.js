"use strict";
/* The pinned trial: everything about it, to read, select and copy. */

/** Show all about a trial at the side, until it is closed or another one is pinned. */
function pinTrial(number) {
  const { data } = page;
  const row = data.rowOf.get(number);
  const { outcome, breaks } = data.trials;
  const panel = document.getElementById("panel");
  const close = make("button", { class: "close", "aria-label": "close" }, "×");
  close.addEventListener("click", () => {
    panel.hidden = true;
    markPinned(null);
  });
  const measured = Object.keys(data.metrics).map((name) => [
    data.metrics[name].heading,
    metricText(data, row, name),
  ]);
  panel.replaceChildren(
    close,
    make("h3", {}, trialTitle(data, row)),
    ...[breaks[row], outcome[row]].filter(Boolean).map((sentence) => make("p", {}, sentence)),
    part(
      "Settings",
      definitions(data.settings.map((each) => [each.name, settingText(each, each.values[row])])),
    ),
    part("Metrics", definitions([...measured, ["epochs", epochsText(data, row)]])),
    ...exportParts(data, row),
    ...runParts(data, row),
    ...epochParts(data, row),
  );
  panel.dataset.trial = number;
  hideHover();
  panel.hidden = false;
  markPinned(number);
}

/** Let the charts in sight show where the pinned trial is. */
function markPinned(number) {
  page.pinned = number;
  for (const chart of Object.values(page.charts)) {
    if (chart.element.offsetParent) chart.draw();
  }
}

function part(title, ...children) {
  return make("section", {}, make("h2", {}, title), ...children);
}

/** The commands that take its codecs home: the last one, and those of earlier epochs. */
function exportParts(data, row) {
  if (!hasCodec(data, row)) return [];
  const number = data.trials.number[row];
  const earlier = data.earlier.filter((each) => each.trial === number).map((each) => each.epoch);
  return [
    part(
      "Take it home",
      copyable(exportCommand(data, number)),
      ...earlier.map((epoch) => copyable(exportCommand(data, number, epoch))),
    ),
  ];
}

/** Its run in MLflow: the address where the server is known. It is no link, since MLflow's viewer lets
    none leave its frame. */
function runParts(data, row) {
  const run = data.trials.run[row];
  return run ? [part("MLflow run", copyable(runAddress(data, row) ?? run))] : [];
}

/** What each epoch ended with. */
function epochParts(data, row) {
  const names = Object.keys(data.epochs.values);
  if (!data.epochs.count[row] || !names.length) return [];
  const table = make(
    "table",
    {},
    headRow(["epoch", ...names.map((name) => estimateHeading(data, name))]),
  );
  const body = make("tbody");
  for (let place = 0; place < data.epochs.count[row]; place++) {
    const cells = names.map((name) => data.epochs.values[name][data.firstEpoch[row] + place]);
    const texts = cells.map((value) =>
      value === null ? "" : String(Number(value.toPrecision(4))),
    );
    body.append(
      make(
        "tr",
        {},
        ...[epochNumber(data, row, place), ...texts].map((text) => make("td", {}, String(text))),
      ),
    );
  }
  table.append(body);
  return [part("Epochs (estimates)", table)];
}

function headRow(texts) {
  return make("thead", {}, make("tr", {}, ...texts.map((text) => make("th", {}, text))));
}

/** The heading of what an epoch's estimate stands in for. */
function estimateHeading(data, estimate) {
  const found = Object.values(data.metrics).find((metric) => metric.estimate === estimate);
  return found ? found.heading : estimate;
}

/** A text with a button that copies it. */
function copyable(text) {
  const code = make("code", {}, text);
  const button = make("button", { "aria-label": `copy ${text}` }, "copy");
  button.addEventListener("click", () => {
    const copied = copyByHand(code);
    button.textContent = copied ? "copied" : "press Ctrl+C";
    setTimeout(() => (button.textContent = "copy"), 1500);
  });
  return make("div", { class: "copy" }, code, button);
}

/** Select a text and copy it. The newer way, navigator.clipboard, is refused in MLflow's frame. */
function copyByHand(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  return document.execCommand("copy");
}
