// A point y in the plane that is dragged, and all that follows: the best code z, what it draws, both
// costs, F. Or the reader moves z, and sees how far above F its energy is.
//
// Everything is computed in the page: no kernel, no network. `mount` is for any page, the default
// export for a notebook (anywidget).

import { element, fixed, followDrag, shape, slider } from "./dom.js";
import { bestCode, energies, judge } from "./plane.js";
import { POINT_WORDS } from "./point_words.js";
import { say } from "./words.js";

const CELLS = 90; // of the map, along a side
const STEP = { coarse: 0.05, fine: 0.01 };
const PAUSE = 400; // ms without a change until it is told in words and to the kernel
const INDEX = "₀₁₂₃₄₅₆₇₈₉";

// Show the page in `el`. data: { atoms (pairs), points (pairs), reach, top (F of the last colour),
// colours (triples) }. start: { y, lam, z }; z: null, or a code set by hand. Returns
// { state, set, destroy }; each redraw is an event "drawn" at el.
export function mount(el, { data, start = {}, words = {}, level = 2, changed = () => {} }) {
  const view = new PointView(el, data, { ...POINT_WORDS, ...words }, level, changed);
  view.set({ y: [0.6, 0.5], lam: 0.1, z: null, ...start });
  return {
    state: () => view.state(),
    set: (values) => view.set(values),
    destroy: () => view.destroy(),
  };
}

function render({ model, el }) {
  const changed = ({ y, lam }) => {
    model.set("point", y);
    model.set("lam", lam);
    model.save_changes();
  };
  const start = { y: model.get("point"), lam: model.get("lam") };
  const options = { data: model.get("data"), words: model.get("words"), start, changed };
  return mount(el, options).destroy;
}

export default { render };

class PointView {
  constructor(el, data, words, level, changed) {
    Object.assign(this, { el, data, words, changed });
    this.parts = this.build(level);
    this.listen();
  }

  // ---- what stands where ----

  build(level) {
    const { words } = this;
    const title = element(`h${level}`, { class: "title" }, words.title);
    const status = element("p", { class: "status", role: "status" });
    const [map, controls] = [this.buildMap(level), this.buildControls(level)];
    const grid = element("div", { class: "grid" }, title, map.section, controls.section, status);
    this.el.replaceChildren(element("div", { class: "rlv-point" }, grid));
    return { ...map, ...controls, status };
  }

  buildMap(level) {
    const { words, data } = this;
    const colour = element("canvas", { width: CELLS, height: CELLS, "aria-hidden": "true" });
    const about = { class: "plane", tabindex: 0, role: "application", "aria-label": words.mapHelp };
    const plane = element("div", about, colour);
    const [r, size] = [data.reach, 2 * data.reach];
    const box = { viewBox: `${-r} ${-r} ${size} ${size}`, "aria-hidden": "true" };
    const svg = shape(plane, "svg", box);
    for (const [a, b] of data.points) shape(svg, "circle", { class: "data", cx: a, cy: -b, r: 0.016 });
    data.atoms.forEach((atom, j) => drawAtom(svg, atom, j));
    const gap = shape(svg, "path", { class: "gap" });
    const walk = shape(svg, "path", { class: "walk" });
    const rebuilt = shape(svg, "circle", { class: "rebuilt", r: 0.04 });
    const y = shape(svg, "circle", { class: "y", r: 0.06 });
    const [name, rebuiltName] = [words.y, "Wz"].map((text) => {
      const one = shape(svg, "text", { class: "name" });
      one.textContent = text;
      return one;
    });
    const section = element("section", { class: "map" }, element(`h${level + 1}`, {}, words.map));
    section.append(plane, buildKey(data, words));
    return { section, colour, plane, gap, walk, rebuilt, y, name, rebuiltName };
  }

  buildControls(level) {
    const { words, data } = this;
    const lam = slider(words.lambda, { max: 1, step: 0.01 });
    const entries = data.atoms.map((_, j) =>
      slider(say(words.entry, { number: INDEX[j + 1] }), { max: 1.5, step: 0.01 }),
    );
    const best = element("button", { type: "button" }, words.best);
    const numbers = {};
    const cells = ["fit", "price", "energy", "F", "above", "y"].map((name) => {
      numbers[name] = element("dd");
      return element("div", { class: name }, element("dt", {}, words[name]), numbers[name]);
    });
    const [fitBar, priceBar] = ["fit", "price"].map((name) => element("i", { class: name }));
    const bar = element("div", { class: "bar", "aria-hidden": "true" }, fitBar, priceBar);
    const codes = element("div", { class: "codes" }, ...entries.map((one) => one.row), best);
    const list = element("dl", { class: "numbers" }, ...cells);
    const heading = element(`h${level + 1}`, {}, words.codes);
    const section = element("section", { class: "controls" }, lam.row, heading, codes, bar, list);
    return { section, lam, entries, best, numbers, fitBar, priceBar };
  }

  // ---- what the reader does ----

  listen() {
    const { plane, lam, entries, best, section } = this.parts;
    followDrag(plane, (x, y) => this.moveTo(this.data.reach * x, -this.data.reach * y));
    plane.addEventListener("keydown", (event) => this.key(event));
    const root = section.closest(".rlv-point");
    root.addEventListener("keydown", (event) => event.stopPropagation());
    root.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
    lam.input.addEventListener("input", () => this.set({ lam: Number(lam.input.value) }));
    entries.forEach(({ input }, j) =>
      input.addEventListener("input", () => {
        const z = [...this.judged.z];
        z[j] = Number(input.value);
        this.set({ z });
      }),
    );
    best.addEventListener("click", () => this.set({ z: null }));
  }

  key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    const step = event.shiftKey ? STEP.fine : STEP.coarse;
    this.moveTo(this.point[0] + step * way[0], this.point[1] + step * way[1]);
  }

  moveTo(...place) {
    const { reach } = this.data;
    const inside = (value) => Math.round(1e4 * Math.min(Math.max(value, -reach), reach)) / 1e4;
    this.set({ y: place.map(inside) });
  }

  // ---- what follows ----

  set({ y, lam, z }) {
    if (y) this.point = y;
    if (z !== undefined) this.hand = z;
    if (lam !== undefined && lam !== this.price) {
      this.price = lam;
      this.stale = true;
    }
    this.frame ??= requestAnimationFrame(() => this.redraw());
  }

  redraw() {
    const begun = performance.now();
    this.frame = null;
    const { data, point, price, hand } = this;
    if (this.stale) paintMap(this.parts.colour, energies(data.atoms, price, data.reach, CELLS), data);
    this.stale = false;
    this.best = bestCode(data.atoms, point, price);
    this.judged = hand ? judge(data.atoms, point, hand, price) : this.best;
    this.drawPlane();
    this.showNumbers();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
    const detail = { work: performance.now() - begun };
    this.el.dispatchEvent(new CustomEvent("drawn", { detail }));
  }

  drawPlane() {
    const { parts, point, judged, data } = this;
    const at = ([a, b]) => `${a.toFixed(3)} ${(-b).toFixed(3)}`;
    let [path, here] = ["M0 0", [0, 0]];
    judged.z.forEach((weight, j) => {
      if (weight === 0) return;
      here = here.map((value, axis) => value + weight * data.atoms[j][axis]);
      path += `L${at(here)}`;
    });
    parts.walk.setAttribute("d", path);
    parts.gap.setAttribute("d", `M${at(judged.Wz)}L${at(point)}`);
    for (const [one, [a, b]] of [[parts.rebuilt, judged.Wz], [parts.y, point]]) {
      one.setAttribute("cx", a);
      one.setAttribute("cy", -b);
    }
    const { Wz } = judged;
    const left = Wz[0] < point[0] ? -0.28 : 0.08; // away from y
    parts.rebuiltName.setAttribute("x", Wz[0] + left);
    parts.rebuiltName.setAttribute("y", 0.15 - Wz[1]);
    const side = point[0] > 0.8 * data.reach ? -0.17 : 0.09;
    parts.name.setAttribute("x", point[0] + side);
    parts.name.setAttribute("y", -point[1] + (point[1] > 0.8 * data.reach ? 0.16 : -0.07));
  }

  texts() {
    const { judged, best } = this;
    const { fit, price, energy } = judged;
    const above = energy - best.energy;
    const all = { fit, price, energy, F: best.energy, above: above < 5e-7 ? 0 : above };
    const texts = Object.entries(all).map(([name, one]) => [name, fixed(one, 3)]);
    return { ...Object.fromEntries(texts), y: this.point.map((one) => fixed(one)).join(", ") };
  }

  showNumbers() {
    const { parts, judged, price, point } = this;
    for (const [name, text] of Object.entries(this.texts())) parts.numbers[name].textContent = text;
    parts.lam.show(price);
    parts.entries.forEach((one, j) => one.show(judged.z[j]));
    parts.best.disabled = this.hand === null;
    const whole = Math.max((point[0] ** 2 + point[1] ** 2) / 2, judged.energy, 1e-9);
    parts.fitBar.style.width = `${(100 * judged.fit) / whole}%`;
    parts.priceBar.style.width = `${(100 * judged.price) / whole}%`;
  }

  tell() {
    const list = (values) => values.map((value) => fixed(value)).join(", ");
    const values = { ...this.texts(), z: list(this.judged.z) };
    this.parts.status.textContent = say(this.words.told, values);
    this.changed(this.state());
  }

  state() {
    const { judged, best, point, price } = this;
    const { z, Wz, fit, energy } = judged;
    return { y: [...point], lam: price, z, Wz, fit, price: judged.price, energy, F: best.energy };
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.el.replaceChildren();
  }
}

function drawAtom(svg, [a, b], j) {
  const turn = (Math.atan2(-b, a) * 180) / Math.PI;
  shape(svg, "path", { class: "atom", d: `M0 0L${a} ${-b}` });
  const place = `translate(${a} ${-b}) rotate(${turn})`;
  shape(svg, "path", { class: "atom", d: "M-0.09 -0.05L0 0L-0.09 0.05", transform: place });
  const text = shape(svg, "text", { class: "name", x: 1.13 * a - 0.07, y: -1.13 * b + 0.05 });
  text.textContent = `w${INDEX[j + 1]}`;
}

function buildKey({ colours, top }, words) {
  const steps = colours.map((one) => `rgb(${one.join(" ")})`).join(",");
  const scale = element("i", { style: `background: linear-gradient(to right, ${steps})` });
  const dot = element("i", { class: "dot" });
  const high = say(words.high, { top });
  return element("p", { class: "key" }, words.low, scale, high, dot, words.data);
}

function paintMap(canvas, F, { colours, top }) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(CELLS, CELLS);
  F.forEach((value, i) => {
    const place = Math.min(value / top, 1) * (colours.length - 1);
    const [low, high] = [Math.floor(place), Math.ceil(place)];
    const share = place - low;
    for (let c = 0; c < 3; c++)
      image.data[4 * i + c] = (1 - share) * colours[low][c] + share * colours[high][c];
    image.data[4 * i + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}
