// The elements of the page: what stands where. What they show is written by draw_digit.js.

import { paintInk, picture } from "./sheet.js";
import { say } from "./words.js";

const LAMBDA = { min: -2, max: 1, step: 0.02 }; // of log₁₀ λ

// An element with attributes and children; a child may be text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// λ_max with its index set low.
function lowered(text) {
  const [before, after] = text.split("_max");
  return after === undefined ? [text] : [before, make("sub", {}, "max"), after];
}

function button(text, attributes = {}) {
  return make("button", { type: "button", ...attributes }, text);
}

// Build everything in `el`; returns the elements that change, by name.
// level: of the heading.
export function build(el, problem, samples, words, level) {
  const heading = (text) => make(`h${level + 1}`, {}, text);
  const drawing = buildDrawing(problem, samples, words, heading);
  const pictures = buildPictures(problem, words, heading);
  const controls = buildControls(words);
  const strokes = buildStrokes(words, heading);
  const race = buildRace(words, heading);
  const status = make("p", { class: "status", role: "status" });
  const all = [drawing, controls, pictures, strokes, race];
  const title = make(`h${level}`, { class: "title" }, words.title);
  const grid = make("div", { class: "grid" }, title, ...all.map((one) => one.section), status);
  const root = make("div", { class: "rlv-draw" }, grid);
  el.replaceChildren(root);
  return Object.assign({ root, status }, ...all);
}

function buildDrawing({ side, pixels }, samples, words, heading) {
  const ink = picture(side);
  ink.className = "ink";
  const light = picture(side);
  light.className = "light";
  const empty = make("span", { class: "empty", "aria-hidden": "true" }, words.empty);
  const help = say(words.drawingHelp, { side });
  const about = { class: "sheet", tabindex: 0, role: "application", "aria-label": help };
  const sheet = make("div", about, ink, light, empty);
  const pen = button(words.pen, { "aria-pressed": "true" });
  const eraser = button(words.eraser, { "aria-pressed": "false" });
  const [undo, clear, centre] = [words.undo, words.clear, words.centre].map((one) => button(one));
  const tools = make("div", { class: "tools" }, pen, eraser, undo, clear, centre);
  const picks = [...Array(samples.length / pixels.length).keys()].map((digit) => {
    const small = picture(side);
    const bytes = samples.subarray(digit * pixels.length, (digit + 1) * pixels.length);
    paintInk(small, bytes, 255);
    return button(small, { "aria-label": say(words.sample, { digit }) });
  });
  const row = make("div", { class: "samples", role: "group", "aria-label": words.samples }, ...picks);
  const section = make("section", { class: "drawing" }, heading(words.drawing), sheet, tools, row);
  return { section, sheet, ink, light, empty, pen, eraser, undo, clear, centre, samples: picks };
}

function buildPictures({ side }, words, heading) {
  const [rebuilt, residual] = [picture(side), picture(side)];
  rebuilt.className = "ink";
  residual.className = "signed";
  for (const one of [rebuilt, residual]) one.setAttribute("role", "img");
  const paper = (canvas) => make("div", { class: "paper" }, canvas);
  const key = make(
    "p",
    { class: "key" },
    make("i", { class: "missing" }),
    words.missing,
    make("i", { class: "extra" }),
    words.extra,
  );
  const section = make(
    "section",
    { class: "pictures" },
    make("figure", {}, heading(words.rebuilt), paper(rebuilt)),
    make("figure", {}, heading(words.residual), paper(residual), key),
  );
  return { section, rebuilt, residual };
}

function buildControls(words) {
  const lam = make("input", { type: "range", ...LAMBDA, "aria-label": words.lambda });
  const lamMax = make("span", { class: "lam-max", "aria-hidden": "true" }, ...lowered("λ_max"));
  const lamSaid = make("output", { "aria-hidden": "true" });
  const track = make("span", { class: "track" }, lam, lamMax);
  const slider = make("label", { class: "lam" }, make("span", {}, words.lambda), track, lamSaid);
  const numbers = {};
  const cells = ["fit", "price", "energy", "nonzeros", "share", "gap"].map((name) => {
    numbers[name] = make("dd");
    const about = name === "gap" ? { class: name, title: words.gapBelow } : { class: name };
    return make("div", about, make("dt", {}, ...lowered(words[name])), numbers[name]);
  });
  const [fitBar, priceBar] = [make("i", { class: "fit" }), make("i", { class: "price" })];
  const bar = make("div", { class: "bar", "aria-hidden": "true" }, fitBar, priceBar);
  const list = make("dl", { class: "numbers" }, ...cells);
  const section = make("section", { class: "controls" }, slider, bar, list);
  return { section, lam, lamMax, lamSaid, numbers, fitBar, priceBar };
}

function buildStrokes(words, heading) {
  const strokes = make("ol", { class: "strokes", tabindex: -1, "aria-label": words.strokes });
  const none = make("p", { class: "none" }, words.none);
  const allOn = button(words.allOn, { class: "all-on" });
  const help = make("span", {}, words.strokesHelp);
  const head = make("div", { class: "head" }, heading(words.strokes), help, allOn);
  const section = make("section", { class: "used" }, head, none, strokes);
  return { section, strokes, none, allOn };
}

function buildRace(words, heading) {
  const bySteps = button(words.bySteps, { "aria-pressed": "true" });
  const byWork = button(words.byWork, { "aria-pressed": "false" });
  const head = make("div", { class: "head" }, heading(words.race), bySteps, byWork);
  const plot = make("div", { class: "plot" });
  const section = make("section", { class: "race" }, head, plot);
  return { section, plot, bySteps, byWork };
}
