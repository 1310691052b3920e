"use strict";
/* What a reader sees when pointing at something. */

const MOST_SETTINGS = 14; // more would not fit beside a point

/** Show a box beside a place of the window, on whichever side has room: to the lower right if it can
    be, where no codec of the usual front is. */
function showHover(x, y, ...children) {
  const box = document.getElementById("hover");
  box.replaceChildren(...children);
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left = x + 16 + width < innerWidth ? x + 16 : Math.max(4, x - 16 - width);
  const top = Math.max(4, Math.min(y + 12, innerHeight - height - 4));
  box.style.left = `${left}px`;
  box.style.top = `${top}px`;
}

function hideHover() {
  document.getElementById("hover").hidden = true;
}

/** Terms and what they are, in two columns; those without a text are left out. */
function definitions(pairs) {
  const list = make("dl");
  for (const [term, text] of pairs) {
    if (text !== "" && text !== null && text !== undefined) {
      list.append(make("dt", {}, term), make("dd", {}, text));
    }
  }
  return list;
}

/** As many settings of a trial as have room, for `definitions`. */
function settingPairs(data, row) {
  const more = data.settings.length - MOST_SETTINGS;
  return [
    ...data.settings
      .slice(0, MOST_SETTINGS)
      .map((each) => [each.name, settingText(each, each.values[row])]),
    ["and", more > 0 ? `${more} more settings: click to see them` : ""],
  ];
}

/** What is told of a trial when pointing at it. The metrics are those of the axes,
    the objectives, and all that are shown of every codec. */
function trialHover(data, row, metrics) {
  const { number, outcome, breaks, run } = data.trials;
  const told = [
    make("h3", {}, trialTitle(data, row)),
    definitions([
      ...metrics.map((metric) => [data.metrics[metric].heading, metricText(data, row, metric)]),
      ...settingPairs(data, row),
      ["epochs", epochsText(data, row)],
      ["MLflow run", runAddress(data, row) ?? run[row]],
    ]),
  ];
  for (const sentence of [breaks[row], outcome[row]]) {
    if (sentence) told.push(make("p", {}, sentence));
  }
  if (hasCodec(data, row)) told.push(make("code", {}, exportCommand(data, number[row])));
  return told;
}
