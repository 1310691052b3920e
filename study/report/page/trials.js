"use strict";
/* The trials: columns, one value for each trial; a row is a trial's place in them. */

/** Prepare what looking things up needs: a row for each number, where each trial's epochs begin. */
function indexTrials(data) {
  data.rowOf = new Map(data.trials.number.map((number, row) => [number, row]));
  data.rows = data.trials.number.map((_, row) => row);
  data.firstEpoch = [];
  let first = 0;
  for (const count of data.epochs.count) {
    data.firstEpoch.push(first);
    first += count;
  }
  data.nameOf = new Map();
  for (const [name, number] of Object.entries(data.named)) {
    data.nameOf.set(number, [...(data.nameOf.get(number) ?? []), name]);
  }
}

/** A metric's newest value: measured on the finished codec, or the last epoch's estimate. */
function newest(data, row, metric) {
  const column = data.metrics[metric];
  if (column && column.values[row] !== null) return { value: column.values[row], estimated: false };
  const estimates = data.epochs.values[column?.estimate];
  const last = data.firstEpoch[row] + data.epochs.count[row] - 1;
  const value = estimates && data.epochs.count[row] ? estimates[last] : null;
  return { value, estimated: true };
}

/** The number of a trial's epoch, by its place among the trial's epochs. */
function epochNumber(data, row, place) {
  return data.epochs.numbers ? data.epochs.numbers[data.firstEpoch[row] + place] : place + 1;
}

/** Where a trial was after each epoch, by the estimates of two metrics: [{x, y, place}, ...]. */
function pathOf(data, row, xMetric, yMetric) {
  const xs = data.epochs.values[data.metrics[xMetric].estimate];
  const ys = data.epochs.values[data.metrics[yMetric].estimate];
  const path = [];
  if (!xs || !ys) return path;
  for (let place = 0; place < data.epochs.count[row]; place++) {
    const at = data.firstEpoch[row] + place;
    if (xs[at] !== null && ys[at] !== null) path.push({ x: xs[at], y: ys[at], place });
  }
  return path;
}

/** The rows of a group that have a place in a plane: {x: [...], y: [...], row: [...]}. */
function placesOf(data, group, xMetric, yMetric) {
  const points = { x: [], y: [], row: [] };
  for (const row of data.rows) {
    if (data.trials.group[row] !== group) continue;
    const x = newest(data, row, xMetric).value;
    const y = newest(data, row, yMetric).value;
    if (x === null || y === null) continue;
    points.x.push(x);
    points.y.push(y);
    points.row.push(row);
  }
  return points;
}
