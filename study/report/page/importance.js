"use strict";
/* How much each setting has to do with the trials that are best in an objective. */

tabs.importance = (element, data) => {
  element.classList.add("scrolls");
  const { fewest, most, finished, objectives } = data.importance;
  if (!objectives.length) {
    const few = `${finishedText(finished)} and ${finished === 1 ? "breaks" : "break"} no constraint: importances tell nothing with fewer than ${fewest}.`;
    const why = !finished
      ? nothingToCompare(data)
      : finished < fewest
        ? few
        : "No setting differs among all finished trials.";
    element.append(make("p", { class: "note" }, why));
    return;
  }
  for (const { metric, shares, lookedAt, best } of objectives) {
    const { direction } = data.objectives.find((each) => each.metric === metric);
    if (!shares.length) {
      const why = `No setting tells the best of the ${lookedAt} trials from the others.`;
      element.append(
        make("h2", {}, `${data.metrics[metric].heading} (${direction})`),
        make("p", { class: "muted" }, why),
      );
      continue;
    }
    const rows = shares.flatMap(([name, share]) => [
      make("code", {}, name),
      make("div", { class: "share", style: `width: ${100 * share}%`, "data-setting": name }),
      make("span", {}, `${(100 * share).toFixed(0)} %`),
    ]);
    element.append(
      make("h2", {}, `${data.metrics[metric].heading} (${direction})`),
      make(
        "p",
        { class: "muted" },
        `the ${best} best of ${lookedAt} finished trials${lookedAt < finished ? `, drawn from ${finished}` : ""}`,
      ),
      make("div", { class: "importance" }, ...rows),
    );
  }
  element.append(
    make(
      "p",
      { class: "note" },
      "PED-ANOVA (Watanabe et al., 2023): how much a setting's values among the best trials differ from " +
        "its values among all of them, as shares of the sum. It does not say which way, and the search chose where " +
        `to look. Settings that only some trials have are left out; of more than ${most} trials so many are drawn.` +
        (finished < 5 * fewest ? ` With ${finished} trials this is a first impression: where no setting matters, one has more than half by chance.` : ""),
    ),
  );
};
