"use strict";
/* All trials as a table to sort and to search. */

const ROWS_AT_ONCE = 200; // more are shown when asked for: 10,000 would take the browser seconds

tabs.table = (element, data) => {
  element.classList.add("scrolls");
  const columns = tableColumns(data);
  const view = { by: columns[0], down: false, words: "", shown: ROWS_AT_ONCE };
  const search = make("input", {
    type: "search",
    placeholder: "front, pruned, bpp<1 ...",
    "aria-label": "search",
    size: "36",
  });
  const told = make("span", { class: "muted" });
  const table = make("table");
  const more = make("button", {}, "show more");
  search.addEventListener("input", () => {
    view.words = search.value;
    view.shown = ROWS_AT_ONCE;
    show();
  });
  more.addEventListener("click", () => {
    view.shown += ROWS_AT_ONCE;
    show();
  });
  element.append(make("div", { class: "bar" }, search, told), table, more);
  const show = () => {
    const { rows, unread } = found(data, columns, view.words);
    rows.sort((a, b) => compare(view.by.value(a), view.by.value(b), view.down));
    told.textContent = `${rows.length} of ${data.rows.length} trials${unread.length ? `; not understood: ${unread.join(" ")}` : ""}`;
    table.replaceChildren(
      tableHead(columns, view, show),
      tableBody(data, columns, rows.slice(0, view.shown)),
    );
    more.hidden = rows.length <= view.shown;
  };
  show();
};

/** The columns: {title, key: what a search calls it, value(row): to sort by, text(row)}. */
function tableColumns(data) {
  const { trials } = data;
  const metrics = [
    ...new Set([...data.objectives.map((each) => each.metric), ...Object.keys(data.metrics)]),
  ];
  return [
    {
      title: "trial",
      key: "trial",
      value: (row) => trials.number[row],
      text: (row) => String(trials.number[row]),
    },
    {
      title: "group",
      key: "group",
      words: true,
      value: (row) => trials.group[row],
      text: (row) => trials.group[row],
    },
    ...metrics.map((name) => ({
      title: data.metrics[name].heading,
      key: name,
      value: (row) => newest(data, row, name).value,
      text: (row) => metricText(data, row, name),
    })),
    ...data.settings.map((each) => ({
      title: each.short,
      key: each.name,
      words: Boolean(each.choices),
      value: (row) => each.values[row],
      text: (row) => settingText(each, each.values[row]),
    })),
    {
      title: "epochs",
      key: "epochs",
      value: (row) => data.epochs.count[row],
      text: (row) => `${data.epochs.count[row]}/${trials.total[row]}`,
    },
    {
      title: "time",
      key: "seconds",
      value: (row) => trials.seconds[row],
      text: (row) => durationText(trials.seconds[row] ?? 0),
    },
    {
      title: "outcome",
      key: "outcome",
      words: true,
      long: true,
      value: (row) => trials.outcome[row],
      text: (row) => [trials.breaks[row], trials.outcome[row]].filter(Boolean).join("; "),
    },
  ];
}

/** The rows that all words agree to: `bpp<1` and the like compare, other words are looked for. */
function found(data, columns, words) {
  const tests = [];
  const unread = [];
  for (const word of words.trim().toLowerCase().split(/\s+/).filter(Boolean)) {
    const parts = /^([\w.]+)(<=|>=|<|>|=)(.*)$/.exec(word);
    if (!parts) {
      tests.push((row) =>
        columns.some((each) => each.words && each.text(row).toLowerCase().includes(word)),
      );
      continue;
    }
    const [, name, sign, bound] = parts;
    const column = columns.find((each) =>
      [each.key, each.key.split(".").at(-1), each.title].some(
        (known) => known.toLowerCase() === name,
      ),
    );
    if (!column || bound === "" || Number.isNaN(Number(bound))) {
      unread.push(word);
      continue;
    }
    const holds = {
      "<": (a, b) => a < b,
      ">": (a, b) => a > b,
      "<=": (a, b) => a <= b,
      ">=": (a, b) => a >= b,
      "=": (a, b) => a === b,
    }[sign];
    tests.push((row) => column.value(row) !== null && holds(column.value(row), Number(bound)));
  }
  return { rows: data.rows.filter((row) => tests.every((test) => test(row))), unread };
}

/** Missing values go last, whichever way. */
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = a < b ? -1 : a > b ? 1 : 0;
  return down ? -order : order;
}

function tableHead(columns, view, show) {
  const cells = columns.map((column) => {
    const sorted = view.by === column ? (view.down ? "descending" : "ascending") : null;
    const button = make("button", {}, column.title);
    button.addEventListener("click", () => {
      view.down = view.by === column && !view.down;
      view.by = column;
      show();
    });
    return make(
      "th",
      { "aria-sort": sorted, class: column.words ? "text" : null, title: column.key },
      button,
    );
  });
  return make("thead", {}, make("tr", {}, ...cells));
}

function tableBody(data, columns, rows) {
  const body = make("tbody");
  for (const row of rows) {
    const cells = columns.map((column) =>
      make(
        "td",
        { class: column.long ? "text long" : column.words ? "text" : null },
        column.long ? make("div", {}, column.text(row)) : column.text(row),
      ),
    );
    const line = make(
      "tr",
      { "data-trial": data.trials.number[row], class: data.trials.group[row], tabindex: "0" },
      ...cells,
    );
    line.addEventListener("click", () => pinTrial(data.trials.number[row]));
    line.addEventListener("keydown", (event) => {
      if (event.key === "Enter") pinTrial(data.trials.number[row]);
    });
    body.append(line);
  }
  return body;
}
