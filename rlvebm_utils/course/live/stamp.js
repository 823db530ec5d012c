// Kernels that are stamped on an empty map, and the image that they add up to; then the image is
// moved, and its convolutional code and its patch codes are found again at each place.
//
// Everything is computed in the page: no kernel of Jupyter, no network. `mount` is for any page, the
// default export for a notebook (anywidget).

import { convolutionalCode, distanceMoved, overlaps, patchCodes, putDown } from "./convolve.js";
import { element, fixed, followDrag, shape, slider } from "./dom.js";
import { STAMP_WORDS } from "./stamp_words.js";
import { say } from "./words.js";

const REST = 400; // ms without a change until it is told in words and to the kernel
const LIMIT = 2; // the value of white
// Of the kernels, in their order: those of plots/style.py, and two more
const TINTS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#7a5c00", "#6b6b6b"];
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// Show the page in `el`. data: { kernels (flat), side, map (places a side), frame (pixels a side),
// photo (flat, as large as what is stamped) }. start: { lam, stamps }; a stamp is [kernel, row,
// column, weight]. Returns { state, set, destroy }; each redraw is an event "drawn" at el.
export function mount(el, { data, start = {}, words = {}, level = 2, changed = () => {} }) {
  const view = new StampView(el, data, { ...STAMP_WORDS, ...words }, level, changed);
  view.set({ lam: 1, stamps: [], source: "photo", ...start });
  return {
    state: () => view.state(),
    set: (values) => view.set(values),
    destroy: () => view.destroy(),
  };
}

function render({ model, el }) {
  const changed = ({ stamps }) => {
    model.set("stamps", stamps);
    model.save_changes();
  };
  const start = { lam: model.get("lam"), stamps: model.get("stamps") };
  return mount(el, { data: model.get("data"), words: model.get("words"), start, changed }).destroy;
}

export default { render };

class StampView {
  constructor(el, data, words, level, changed) {
    const size = data.map + data.side - 1; // of the image
    const home = Math.round((data.frame - size) / 2);
    const places = data.frame - data.side + 1;
    Object.assign(this, { el, data, words, changed, size, home, places });
    this.table = overlaps(data.kernels, data.side);
    Object.assign(this, { chosen: 0, strength: 3, erasing: false, shift: [0, 0] });
    this.cursor = [Math.floor(data.map / 2), Math.floor(data.map / 2)];
    this.parts = this.build(level);
    this.listen();
  }

  // ---- what stands where ----

  build(level) {
    const { words } = this;
    const title = element(`h${level}`, { class: "title" }, words.title);
    const status = element("p", { class: "status", role: "status" });
    const [map, tools, move] = [this.buildMap(level), this.buildTools(level), this.buildMove(level)];
    const parts = [title, map.section, tools.section, move.section, status];
    const grid = element("div", { class: "grid" }, ...parts);
    this.el.replaceChildren(element("div", { class: "rlv-stamp" }, grid));
    return { ...move, ...tools, ...map, status };
  }

  buildMap(level) {
    const { words, data } = this;
    const help = say(words.mapHelp, { places: data.map });
    const plane = element("div", { class: "plane", tabindex: 0, role: "application", "aria-label": help });
    const svg = shape(plane, "svg", { viewBox: `0 0 ${data.map} ${data.map}`, "aria-hidden": "true" });
    let lines = "";
    for (let k = 1; k < data.map; k++) lines += `M${k} 0V${data.map}M0 ${k}H${data.map}`;
    shape(svg, "path", { class: "lines", d: lines });
    const dots = shape(svg, "g", {});
    const cursor = shape(svg, "rect", { class: "cursor", width: 1, height: 1 });
    const key = element("p", { class: "key" }, words.ring);
    const heading = element(`h${level + 1}`, {}, words.map);
    return { section: element("section", { class: "map" }, heading, plane, key), plane, dots, cursor };
  }

  buildTools(level) {
    const { words, data, size } = this;
    this.picks = data.kernels.map((kernel, i) => {
      const name = say(words.kernel, { number: i + 1 });
      const one = element("button", { type: "button", "aria-label": name }, grey(kernel, data.side));
      one.style.setProperty("--tint", TINTS[i % TINTS.length]);
      one.addEventListener("click", () => this.set({ chosen: i, erasing: false }));
      return one;
    });
    const row = element("div", { class: "kernels", role: "group", "aria-label": words.kernels });
    row.append(...this.picks);
    const strength = slider(words.strength, { min: -6, max: 6, step: 0.5 });
    const [erase, clear] = [button(words.erase), button(words.clear)];
    const Y = canvas(size);
    const about = element("figcaption", {}, words.image);
    const section = element("section", { class: "controls" }, element(`h${level + 1}`, {}, words.kernels));
    const buttons = element("div", { class: "buttons" }, erase, clear);
    section.append(row, strength.row, buttons, element("figure", { class: "image" }, Y, about));
    return { section, strength, erase, clear, Y };
  }

  buildMove(level) {
    const { words, data, places } = this;
    const about = { class: "frame", tabindex: 0, role: "application", "aria-label": words.frameHelp };
    const [ground, conv, patches] = [canvas(data.frame), canvas(places), canvas(0)];
    const across = Math.floor(data.frame / data.side);
    patches.width = patches.height = across * 4 + 1;
    const frame = element("div", about, ground);
    const named = (one, text, more) => element("figure", {}, one, element("figcaption", {}, text, more));
    const small = (text) => element("small", {}, text);
    const row = element("div", { class: "codes" }, named(frame, words.frame, ""));
    row.append(named(conv, words.conv, small(words.convDots)));
    row.append(named(patches, words.patches, small(words.patchDots)));
    const [photo, mine, back] = [words.photo, words.mine, words.home].map(button);
    const lam = slider(words.lambda, { min: 0.2, max: 4, step: 0.1 });
    const numbers = {};
    const cells = ["moved", "used", "usedPatches", "off", "offPatches"].map((name) => {
      numbers[name] = element("dd");
      return element("div", { class: name }, element("dt", {}, words[name]), numbers[name]);
    });
    const section = element("section", { class: "moving" }, element(`h${level + 1}`, {}, words.move));
    const buttons = element("div", { class: "buttons" }, photo, mine, back);
    section.append(buttons, lam.row, row, element("dl", { class: "numbers" }, ...cells));
    return { section, frame, ground, conv, patches, photo, mine, back, lam, numbers };
  }

  // ---- what the reader does ----

  listen() {
    const { plane, frame, strength, erase, clear, photo, mine, back, lam } = this.parts;
    plane.addEventListener("pointerdown", (event) => this.click(event));
    plane.addEventListener("keydown", (event) => this.mapKey(event));
    frame.addEventListener("keydown", (event) => this.frameKey(event));
    let begun = null;
    frame.addEventListener("pointerdown", () => (begun = null));
    followDrag(frame, (x, y) => {
      const half = this.data.frame / 2;
      begun ??= { x, y, shift: this.shift };
      const by = [(y - begun.y) * half, (x - begun.x) * half].map(Math.round);
      this.moveTo(begun.shift[0] + by[0], begun.shift[1] + by[1]);
    });
    const root = plane.closest(".rlv-stamp");
    root.addEventListener("keydown", (event) => event.stopPropagation());
    root.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
    strength.input.addEventListener("input", () => this.set({ strength: Number(strength.input.value) }));
    lam.input.addEventListener("input", () => this.set({ lam: Number(lam.input.value) }));
    erase.addEventListener("click", () => this.set({ erasing: !this.erasing }));
    clear.addEventListener("click", () => this.set({ stamps: [] }));
    photo.addEventListener("click", () => this.set({ source: "photo" }));
    mine.addEventListener("click", () => this.set({ source: "mine" }));
    back.addEventListener("click", () => this.moveTo(0, 0));
  }

  click(event) {
    if (!event.isPrimary || event.button !== 0) return;
    const { left, top, width, height } = this.parts.plane.getBoundingClientRect();
    const place = (value) => Math.min(Math.max(Math.floor(value * this.data.map), 0), this.data.map - 1);
    this.cursor = [place((event.clientY - top) / height), place((event.clientX - left) / width)];
    this.stamp(this.erasing);
  }

  mapKey(event) {
    const way = ARROWS[event.key];
    const erases = ["Delete", "Backspace"].includes(event.key);
    if (!way && !erases && ![" ", "Enter"].includes(event.key)) return;
    event.preventDefault();
    if (!way) return this.stamp(erases || this.erasing);
    const most = this.data.map - 1;
    this.cursor = this.cursor.map((one, axis) => Math.min(Math.max(one + way[axis], 0), most));
    this.set({});
  }

  frameKey(event) {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    this.moveTo(this.shift[0] + way[0], this.shift[1] + way[1]);
  }

  // Put the chosen kernel down at the cursor, or take away what is there.
  stamp(erases) {
    const [row, column] = this.cursor;
    const here = ([, r, c]) => r === row && c === column;
    const same = (one) => here(one) && one[0] === this.chosen;
    const before = this.stamps.find(same)?.[3] ?? 0;
    const weight = Math.min(Math.max(before + this.strength, -9), 9);
    const stamps = this.stamps.filter(erases ? (one) => !here(one) : (one) => !same(one));
    if (!erases && weight !== 0) stamps.push([this.chosen, row, column, weight]);
    this.set({ stamps, source: "mine" });
  }

  moveTo(...place) {
    const least = this.data.side - 1 - this.home; // codes need the kernel's width around the image
    const most = this.data.frame - this.size - this.data.side + 1 - this.home;
    this.set({ shift: place.map((one) => Math.min(Math.max(one, least), most)) });
  }

  // ---- what follows ----

  set(values) {
    const { kernels, side, map, photo } = this.data;
    Object.assign(this, values);
    if (values.stamps) {
      const z = new Float64Array(kernels.length * map * map);
      for (const [i, row, column, weight] of values.stamps) z[(i * map + row) * map + column] = weight;
      this.stamped = putDown(kernels, side, z, this.size);
    }
    if (values.source) this.shift = [0, 0];
    if (values.stamps || values.source || values.lam !== undefined) {
      this.image = this.source === "photo" ? Float64Array.from(photo) : this.stamped;
      this.old = null;
    }
    this.frame ??= requestAnimationFrame(() => this.redraw());
  }

  // Both codes with the image moved by (down, right).
  codes(down, right) {
    const { data, size, home } = this;
    const ground = new Float64Array(data.frame * data.frame);
    for (let r = 0; r < size; r++) {
      const row = this.image.subarray(r * size, (r + 1) * size);
      ground.set(row, (r + home + down) * data.frame + home + right);
    }
    const { kernels, side, frame } = data;
    const conv = convolutionalCode(kernels, side, this.table, ground, frame, this.lam);
    return { ground, conv, patches: patchCodes(kernels, side, ground, frame, this.lam) };
  }

  redraw() {
    const begun = performance.now();
    this.frame = null;
    const [down, right] = this.shift;
    this.old ??= this.codes(0, 0);
    this.now = down || right ? this.codes(down, right) : this.old;
    this.compare();
    this.show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), REST);
    const detail = { work: performance.now() - begun };
    this.el.dispatchEvent(new CustomEvent("drawn", { detail }));
  }

  compare() {
    const { data, places, old, now, shift } = this;
    const n = data.kernels.length;
    const maps = { layers: n, side: places, stride: 1, step: places * places };
    const boxes = { layers: n, side: Math.floor(data.frame / data.side), stride: n, step: 1 };
    const nearest = shift.map((by) => [Math.floor(by / data.side), Math.ceil(by / data.side)]);
    const ways = nearest[0].flatMap((down) => nearest[1].map((right) => [down, right]));
    const each = ways.map((way) => distanceMoved(old.patches, now.patches, boxes, ...way));
    this.offPatches = Math.min(...each);
    this.off = distanceMoved(old.conv, now.conv, maps, ...shift);
  }

  show() {
    const { parts, data, size, stamped, now, picks } = this;
    parts.cursor.setAttribute("x", this.cursor[1]);
    parts.cursor.setAttribute("y", this.cursor[0]);
    parts.cursor.style.stroke = this.erasing ? "" : TINTS[this.chosen % TINTS.length];
    parts.dots.replaceChildren();
    for (const one of this.stamps) drawDot(parts.dots, one);
    picks.forEach((one, i) => one.setAttribute("aria-pressed", i === this.chosen && !this.erasing));
    parts.erase.setAttribute("aria-pressed", this.erasing);
    for (const name of ["photo", "mine"])
      parts[name].setAttribute("aria-pressed", this.source === name);
    parts.strength.show(this.strength);
    parts.lam.show(this.lam);
    paintGrey(parts.Y, stamped, size, LIMIT);
    paintGrey(parts.ground, now.ground, data.frame, LIMIT);
    paintMaps(parts.conv, now.conv, this.places);
    paintBoxes(parts.patches, now.patches, data);
    const texts = this.texts();
    for (const [name, one] of Object.entries(parts.numbers)) one.textContent = texts[name];
  }

  texts() {
    const percent = (value) => (Number.isNaN(value) ? "–" : `${fixed(100 * value, 0)} %`);
    const { conv, patches } = this.now;
    const count = (z) => z.reduce((all, one) => all + (one !== 0), 0);
    const used = { used: count(conv), usedPatches: count(patches) };
    const moved = this.shift.map((one) => fixed(one, 0)).join(", ");
    return { moved, ...used, off: percent(this.off), offPatches: percent(this.offPatches) };
  }

  tell() {
    const [row, column] = this.cursor.map((one) => one + 1);
    const place = say(this.words.stamped, { row, column, count: this.stamps.length });
    this.parts.status.textContent = `${place} ${say(this.words.told, this.texts())}`;
    this.changed(this.state());
  }

  state() {
    const { stamps, shift, lam, off, offPatches, cursor, chosen, source } = this;
    const [Z, patches, Y] = [this.now.conv, this.now.patches, this.stamped].map((one) => [...one]);
    return { stamps, shift, lam, off, offPatches, cursor, chosen, source, Z, patches, Y };
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.el.replaceChildren();
  }
}

function button(text) {
  return element("button", { type: "button" }, text);
}

function canvas(side) {
  return element("canvas", { width: side, height: side, "aria-hidden": "true" });
}

function grey(kernel, side) {
  const one = canvas(side);
  paintGrey(one, kernel, side, Math.max(...kernel.map(Math.abs)));
  return one;
}

// Numbers about zero, which is grey; white at `limit`, black at −limit.
function paintGrey(one, values, side, limit) {
  const context = one.getContext("2d");
  const image = context.createImageData(side, side);
  values.forEach((value, i) => {
    const tone = 127.5 * (1 + Math.min(Math.max(value / limit, -1), 1));
    image.data.set([tone, tone, tone, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

// One dot an entry that is not zero, in the kernel's colour.
function paintMaps(one, z, places) {
  const context = one.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, places, places);
  z.forEach((value, at) => {
    if (value === 0) return;
    context.fillStyle = TINTS[Math.floor(at / places ** 2) % TINTS.length];
    context.fillRect(at % places, Math.floor(at / places) % places, 1, 1);
  });
}

// A box for each patch, a cell in it for each atom: three in a row.
function paintBoxes(one, codes, { kernels, frame, side }) {
  const context = one.getContext("2d");
  const [across, n] = [Math.floor(frame / side), kernels.length];
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, one.width, one.height);
  context.fillStyle = "#bbbbbb";
  for (let k = 0; k <= across; k++) {
    context.fillRect(4 * k, 0, 1, one.height);
    context.fillRect(0, 4 * k, one.width, 1);
  }
  codes.forEach((value, at) => {
    if (value === 0) return;
    const [patch, atom] = [Math.floor(at / n), at % n];
    context.fillStyle = TINTS[atom % TINTS.length];
    const [down, right] = [Math.floor(patch / across), patch % across];
    context.fillRect(4 * right + 1 + (atom % 3), 4 * down + 1 + Math.floor(atom / 3), 1, 1);
  });
}

// A stamp on the map: a dot above zero, a ring below; the larger, the stronger.
function drawDot(parent, [kernel, row, column, weight]) {
  const r = 0.14 + 0.03 * Math.abs(weight);
  const dot = shape(parent, "circle", { class: weight > 0 ? "above" : "below", cx: column + 0.5, cy: row + 0.5, r });
  dot.style.setProperty("--tint", TINTS[kernel % TINTS.length]);
}
