"use strict";
/* Numbers and trials in words, as study/report/rows.py has them. */

/** A number by a format of Python's: ".3f", ".2f", ".3g", ".4g". */
function format(value, digits) {
  const count = Number(digits.slice(1, -1));
  return digits.endsWith("f") ? value.toFixed(count) : String(Number(value.toPrecision(count)));
}

/** A setting's value for reading: three digits, and 3.2e-4 rather than 0.00032. */
function settingText(setting, value) {
  if (value === null || value === undefined) return "";
  if (setting?.choices) return setting.choices[value];
  if (typeof value !== "number" || (Number.isInteger(value) && Math.abs(value) < 1e6))
    return String(value);
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e3) return String(Number(value.toPrecision(3)));
  if (size >= 1e3 && size < 1e4) return value.toFixed(0);
  const [mantissa, exponent] = value.toExponential(2).split("e");
  return `${Number(mantissa)}e${Number(exponent)}`;
}

/** A metric's newest value, an estimate with a ~; nothing where there is none. */
function metricText(data, row, metric) {
  const { value, estimated } = newest(data, row, metric);
  return value === null ? "" : (estimated ? "~" : "") + format(value, data.metrics[metric].digits);
}

/** Why no trial can be compared: none has finished, or all that have break a constraint. */
function nothingToCompare(data) {
  const broken = data.trials.group.filter((group) => group === "infeasible").length;
  if (!broken) return "No trial has finished yet.";
  return `${finishedText(broken)}, and ${broken === 1 ? "it" : "each of them"} breaks a constraint.`;
}

function finishedText(count) {
  return `${count} ${count === 1 ? "trial has" : "trials have"} finished`;
}

/** A duration as 42s, 3m 05s or 2h 07m. */
function durationText(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const two = (number) => String(number).padStart(2, "0");
  if (hours) return `${hours}h ${two(minutes)}m`;
  return minutes ? `${minutes}m ${two(rest)}s` : `${rest}s`;
}

/** A trial in a few words, its number first. */
function trialTitle(data, row) {
  const number = data.trials.number[row];
  const words = [`trial ${number}, ${data.trials.state[row]}`];
  if (number === data.trials.published) words.push("published coefficients");
  const names = data.nameOf.get(number);
  if (names) words.push(names.join(", "));
  return words.join(", ");
}

/** How many epochs of how many, in which time. */
function epochsText(data, row) {
  const { total, seconds } = data.trials;
  return `${data.epochs.count[row]} of ${total[row]} in ${durationText(seconds[row])}`;
}

/** The command that takes a codec home. */
function exportCommand(data, number, epoch = null) {
  const at = epoch === null ? "" : ` --epoch ${epoch}`;
  return `study export ${data.study} --trial ${number}${at} OUT`;
}

/** Whether a trial has a codec to export. */
function hasCodec(data, row) {
  return data.trials.state[row] === "complete";
}

/** MLflow's page of a trial, where this page is read in MLflow's own viewer; else null.
    There it has an address like blob:http://127.0.0.1:5000/..., which names the server. */
function runAddress(data, row) {
  const server = /^blob:(https?:\/\/[^/]+)\//.exec(location.href);
  return server && data.trials.run[row] ? `${server[1]}/#/runs/${data.trials.run[row]}` : null;
}
