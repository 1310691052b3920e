"use strict";
/* The page itself: its data, its tabs, and what they share. Each tab is a function of a file of its
   own, and draws when it is first opened. There is no framework and no build: what is written here
   is what the browser runs. */

/** By key: what draws a tab, (element, data, page) => {...}. */
const tabs = {};

/** What the tabs share, and what a test or a curious reader finds in the console.
    data: all that Python wrote (study/report/page/content.py).
    open(key): shows a tab.  pin(number): shows all about a trial at the side.
    pinned: its number, or null.  charts: by key, the charts drawn so far.
    ready: is fulfilled when the first tab is drawn. */
const page = {
  data: null,
  charts: {},
  open: openTab,
  pin: (number) => pinTrial(number),
  pinned: null,
  ready: null,
};

const OWN_TABS = [
  { key: "front", title: "Front" },
  { key: "progress", title: "Hypervolume" },
  { key: "parallel", title: "Parallel coordinates" },
  { key: "importance", title: "Importance" },
  { key: "learning", title: "Learning curves" },
  { key: "table", title: "Trials" },
];

/** Begin. Called once, when all scripts have run. */
function start() {
  window.page = page;
  if (!window.DecompressionStream) {
    const told =
      "This page needs a browser of 2023 or newer. front.png beside it shows the same front.";
    document.getElementById("view").append(make("p", { class: "note" }, told));
    return;
  }
  page.ready = unpack("study").then(async (data) => {
    page.data = data;
    indexTrials(data);
    document.getElementById("subtitle").textContent = data.planes[0].subtitle;
    const bar = document.getElementById("tabs");
    for (const { key, title } of [...OWN_TABS, ...EXTRA_TABS]) {
      const button = make(
        "button",
        { id: `tab-${key}`, role: "tab", "aria-selected": "false" },
        title,
      );
      button.addEventListener("click", () => openTab(key));
      bar.append(button);
    }
    bar.addEventListener("keydown", moveBetweenTabs);
    await openTab("front");
    document.body.dataset.ready = "true";
  });
}

/** The data that Python packed under a key: base64, gzip, JSON. */
async function unpack(key) {
  const text = atob(document.getElementById(`data-${key}`).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** Show a tab; draw it if this is the first time. */
async function openTab(key) {
  hideHover();
  for (const button of document.querySelectorAll("#tabs button")) {
    const chosen = button.id === `tab-${key}`;
    button.setAttribute("aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }
  const view = document.getElementById("view");
  for (const each of view.children) each.hidden = each.id !== `view-${key}`;
  if (document.getElementById(`view-${key}`)) return;
  const element = make("section", {
    id: `view-${key}`,
    class: "tab",
    role: "tabpanel",
    "aria-labelledby": `tab-${key}`,
  });
  view.append(element);
  const own = OWN_TABS.some((tab) => tab.key === key);
  await tabs[key](element, own ? page.data : await unpack(`tab-${key}`), page);
}

/** The arrow keys go from tab to tab, as in every list of tabs. */
function moveBetweenTabs(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  const buttons = [...document.querySelectorAll("#tabs button")];
  const at = buttons.indexOf(document.activeElement);
  const next = buttons[(at + step + buttons.length) % buttons.length];
  next.focus();
  next.click();
}

/** An HTML element; children that are texts are shown as they are, never read as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  return furnish(element, attributes, children);
}

/** An SVG element. */
function makeSvg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A menu: a label, and a choice of [value, text] pairs. */
function menu(label, choices, onChange) {
  const select = make("select", {});
  for (const [value, text] of choices) select.append(make("option", { value }, text));
  select.addEventListener("change", () => onChange(select.value));
  return make("label", {}, `${label} `, select);
}
