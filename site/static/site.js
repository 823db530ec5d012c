// What moves on the pages. Without this script every figure, formula and row is still there.
"use strict";

// ---- panels: the figure at rest gives way to the panel, which says how tall it is

for (const place of document.querySelectorAll(".panel[data-src]")) {
  const frame = document.createElement("iframe");
  frame.title = place.dataset.title;
  frame.loading = "lazy";
  frame.src = place.dataset.src;
  place.prepend(frame);
  place.closest(".cell_output").classList.add("moves");
}

addEventListener("message", (event) => {
  const frames = [...document.querySelectorAll(".panel iframe")];
  const frame = frames.find((one) => one.contentWindow === event.source);
  const height = Number(event.data?.height);
  if (frame && height > 0) frame.style.height = `${Math.ceil(height)}px`;
});

// ---- what is too wide scrolls, by the keyboard too

const WIDE = "pre, mjx-container[display=true], .pst-scrollable-table-container, .output";

function letWideThingsScroll() {
  for (const one of document.querySelectorAll(WIDE)) {
    if (one.scrollWidth > one.clientWidth + 1) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
}

addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  letWideThingsScroll();
  addEventListener("resize", letWideThingsScroll);
});

// ---- search: a page from a disk may not read the pages that it found, for their summaries

if (location.protocol === "file:" && window.Search) {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// ---- claims: the filter, in the words (and so in the language) of the page

function choice(name, words, count) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "verdict", value: name, checked: !name });
  label.append(input, `${words} `, Object.assign(document.createElement("small"), { textContent: count }));
  return label;
}

function addFilter(table, words) {
  const rows = [...table.tBodies[0].rows];
  const kind = (row) => row.querySelector(".verdict").className.split(" ").find((one) => one !== "verdict");
  const kinds = new Map();
  for (const row of rows) {
    const verdict = row.querySelector(".verdict");
    const known = kinds.get(kind(row)) ?? { words: verdict.textContent.split(" if ")[0], count: 0 };
    kinds.set(kind(row), { ...known, count: known.count + 1 });
  }
  const filter = document.createElement("fieldset");
  filter.className = "filter";
  const legend = document.createElement("legend");
  legend.textContent = words.querySelector(".legend").textContent;
  filter.append(legend, choice("", words.querySelector(".all").textContent, rows.length));
  for (const [name, { words, count }] of kinds) filter.append(choice(name, words, count));
  const said = document.createElement("p");
  said.className = "filter-said";
  said.setAttribute("role", "status");
  filter.addEventListener("change", (event) => {
    const wanted = event.target.value;
    for (const row of rows) row.hidden = Boolean(wanted) && kind(row) !== wanted;
    said.textContent = `${rows.filter((row) => !row.hidden).length} / ${rows.length}`;
  });
  words.replaceWith(filter, said);
}

const words = document.querySelector(".audit-words");
if (words) addFilter(document.querySelector("table.audit"), words);
