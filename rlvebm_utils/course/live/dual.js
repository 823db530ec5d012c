// The dual point, to be dragged in the plane: what a vector u proves about every code of y.
//
// Everything is computed in the page. `mount` is for any page, the default export for a notebook
// (anywidget). Points are [x, y] with y upwards; the picture's own y goes down.

import { DUAL, say } from "./words.js";

const SPACE = "http://www.w3.org/2000/svg";
const STEP = 0.05; // of an arrow key
const SWEEPS = 2000; // at most, over the atoms
const STILL = 300; // ms without a change until the kernel is told

// Show the plane in `el`. data: { atoms (n × 2, of length 1), y, u, lam, reach: what is shown goes
// from −reach to reach }. words: replacements for DUAL. changed(state) is called when all has come
// to rest. Returns { state, set, destroy }; each redraw is an event "drawn" at el.
export async function mount(el, { data, words, changed = () => {} }) {
  const plane = new Plane(el, data, { ...DUAL, ...words }, changed);
  return {
    state: () => plane.state(),
    set: (values) => plane.set(values),
    destroy: () => plane.destroy(),
  };
}

async function render({ model, el }) {
  const { atoms, reach } = model.get("data");
  const [y, u, lam] = ["y", "u", "lam"].map((name) => model.get(name));
  const changed = (state) => {
    for (const name of ["y", "u", "lam"]) model.set(name, state[name]);
    model.save_changes();
  };
  const data = { atoms, reach, y, u, lam };
  const shown = await mount(el, { data, words: model.get("words"), changed });
  return shown.destroy;
}

export default { render };

const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];

// ⟨y, u⟩ − ½‖u‖²
export function floorOf(y, u) {
  return dot(y, u) - 0.5 * dot(u, u);
}

// The atoms j with |w_jᵀu| > λ.
export function brokenBy(atoms, u, lam) {
  return [...atoms.keys()].filter((j) => Math.abs(dot(atoms[j], u)) > lam + 1e-9);
}

// The code with the least energy, one weight at a time; its energy and its residual.
export function bestCode(atoms, y, lam) {
  const z = atoms.map(() => 0);
  let r = [...y];
  for (let sweep = 0, moved = 1; sweep < SWEEPS && moved > 1e-12; sweep += 1) {
    moved = 0;
    atoms.forEach((w, j) => {
      const v = z[j] + dot(w, r);
      const next = Math.sign(v) * Math.max(Math.abs(v) - lam, 0);
      moved = Math.max(moved, Math.abs(next - z[j]));
      r = [r[0] - (next - z[j]) * w[0], r[1] - (next - z[j]) * w[1]];
      z[j] = next;
    });
  }
  const price = z.reduce((sum, entry) => sum + Math.abs(entry), 0);
  return { z, r, energy: 0.5 * dot(r, r) + lam * price };
}

// The corners of { u: |w_jᵀu| ≤ λ for all j } within a square: cut off, side by side.
export function promised(atoms, lam, reach) {
  let corners = [
    [-reach, -reach],
    [reach, -reach],
    [reach, reach],
    [-reach, reach],
  ];
  for (const w of atoms) {
    for (const sign of [1, -1]) {
      const room = (u) => lam - sign * dot(w, u);
      corners = corners.flatMap((u, k) => {
        const next = corners[(k + 1) % corners.length];
        const [here, there] = [room(u), room(next)];
        const share = here / (here - there);
        const cut = [u[0] + share * (next[0] - u[0]), u[1] + share * (next[1] - u[1])];
        return [...(here >= 0 ? [u] : []), ...(here * there < 0 ? [cut] : [])];
      });
    }
  }
  return corners;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const shortly = (value) => value.toFixed(2).replace("-0.00", "0.00").replace("-", "−");

class Plane {
  constructor(el, { atoms, y, u, lam, reach }, words, changed) {
    Object.assign(this, { el, atoms, reach, words, changed, y: [...y], u: [...u], lam });
    this.parts = this.build();
    this.listen();
    this.draw();
  }

  build() {
    const { words, reach, atoms } = this;
    const about = { tabindex: 0, role: "application" };
    const area = svg("polygon", { class: "area" });
    const level = svg("circle", { class: "level" });
    const edges = atoms.map(() => svg("path", { class: "edge" }));
    const link = svg("line", { class: "link" });
    const names = atoms.map((_, j) => svg("text", { class: "name" }, say(words.atom, { number: j + 1 })));
    const handles = Object.fromEntries(
      ["y", "u"].map((name) => {
        const label = svg("text", { x: 0.12, y: -0.1 }, name);
        const ring = svg("circle", { r: 0.16, class: "ring" });
        const handle = { ...about, class: `handle ${name}` };
        return [name, svg("g", handle, ring, svg("circle", { r: 0.075 }), label)];
      }),
    );
    const view = `${-reach} ${-reach} ${2 * reach} ${2 * reach}`;
    const all = [area, level, ...edges, ...names, link, handles.y, handles.u];
    const plane = svg("svg", { viewBox: view, class: "plane" }, ...all);
    const told = ["floor", "least", "verdict", "broken"].map((name) => {
      const value = html("dd");
      return [name, value, html("div", { class: name }, html("dt", {}, words[name]), value)];
    });
    const range = { type: "range", min: 0.1, max: 1.5, step: 0.05, "aria-label": words.lambda };
    const lam = html("input", range);
    const said = html("output");
    const numbers = html("dl", {}, ...told.map((one) => one[2]));
    const price = html("label", {}, html("span", {}, words.lambda), lam, said);
    const status = html("p", { class: "status", role: "status" });
    const side = html("div", { class: "side" }, html("p", {}, words.help), price, numbers, status);
    const title = html("p", { class: "title" }, words.title);
    const root = html("div", { class: "rlv-dual" }, title, html("div", { class: "both" }, plane, side));
    this.el.replaceChildren(root);
    const values = Object.fromEntries(told.map(([name, value]) => [name, value]));
    return { root, plane, area, level, edges, names, link, handles, values, lam, said, status };
  }

  // ---- what the reader does ----

  listen() {
    const { plane, handles, lam, root } = this.parts;
    let held = null;
    plane.addEventListener("pointerdown", (event) => {
      const at = this.place(event);
      const far = (name) => Math.hypot(...minus(this[name], at));
      held = far("u") <= far("y") ? "u" : "y";
      plane.setPointerCapture(event.pointerId);
      handles[held].focus({ preventScroll: true });
      this.move(held, at);
      event.preventDefault();
    });
    plane.addEventListener("pointermove", (event) => held && this.move(held, this.place(event)));
    for (const end of ["pointerup", "pointercancel"]) {
      plane.addEventListener(end, () => (held = null));
    }
    for (const name of ["y", "u"]) {
      handles[name].addEventListener("keydown", (event) => this.key(name, event));
      handles[name].dataset.lmSuppressShortcuts = "true";
    }
    root.addEventListener("keydown", (event) => event.stopPropagation());
    lam.dataset.lmSuppressShortcuts = "true";
    lam.addEventListener("input", () => this.set({ lam: Number(lam.value) }));
  }

  place({ clientX, clientY }) {
    const { left, top, width, height } = this.parts.plane.getBoundingClientRect();
    const { reach } = this;
    return [
      reach * ((2 * (clientX - left)) / width - 1),
      reach * (1 - (2 * (clientY - top)) / height),
    ];
  }

  key(name, event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    this.move(name, this[name].map((one, k) => one + STEP * move[k]));
  }

  move(name, to) {
    const most = 0.97 * this.reach;
    this.set({ [name]: to.map((one) => Math.min(Math.max(one, -most), most)) });
  }

  // ---- what follows ----

  set(values) {
    for (const name of ["y", "u"]) if (values[name]) this[name] = [...values[name]];
    if (values.lam) this.lam = values.lam;
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), STILL);
  }

  state() {
    const { atoms, y, u, lam } = this;
    const { energy, r } = bestCode(atoms, y, lam);
    const broken = brokenBy(atoms, u, lam);
    return { y, u, lam, floor: floorOf(y, u), least: energy, best: r, broken };
  }

  draw() {
    const { parts, words, atoms, lam, reach, y, u } = this;
    const state = this.state();
    const holds = state.broken.length === 0;
    const down = (point) => `${point[0]},${-point[1]}`;
    parts.area.setAttribute("points", promised(atoms, lam, reach).map(down).join(" "));
    for (const [name, [a, b]] of Object.entries({ y, u })) {
      parts.handles[name].setAttribute("transform", `translate(${a} ${-b})`);
      const said = say(words[name], { x: shortly(a), y: shortly(b) });
      parts.handles[name].setAttribute("aria-label", said);
    }
    const ends = { x1: y[0], y1: -y[1], x2: u[0], y2: -u[1] };
    for (const [name, value] of Object.entries(ends)) parts.link.setAttribute(name, value);
    const circle = { cx: y[0], cy: -y[1], r: Math.hypot(...minus(y, u)) };
    for (const [name, value] of Object.entries(circle)) parts.level.setAttribute(name, value);
    atoms.forEach((w, j) => this.drawEdges(w, j, state.broken.includes(j)));
    parts.root.classList.toggle("holds", holds);
    parts.lam.value = lam;
    parts.said.textContent = shortly(lam);
    parts.values.floor.textContent = shortly(state.floor);
    parts.values.least.textContent = shortly(state.least);
    parts.values.verdict.textContent = holds ? words.yes : words.no;
    const list = state.broken.map((j) => say(words.atom, { number: j + 1 })).join(", ");
    parts.values.broken.textContent = list || words.none;
    this.el.dispatchEvent(new CustomEvent("drawn", { detail: state }));
  }

  // The two lines w_jᵀu = ±λ; the name stands at one of them, outside.
  drawEdges(w, j, broken) {
    const { parts, lam, reach } = this;
    const path = [1, -1].map((sign) => {
      const at = (t) => [sign * lam * w[0] - t * w[1], sign * lam * w[1] + t * w[0]];
      const [a, b] = [at(-3 * reach), at(3 * reach)];
      return `M${a[0]} ${-a[1]}L${b[0]} ${-b[1]}`;
    });
    parts.edges[j].setAttribute("d", path.join(""));
    parts.edges[j].classList.toggle("broken", broken);
    parts.names[j].classList.toggle("broken", broken);
    parts.names[j].setAttribute("x", -(lam + 0.36) * w[0]);
    parts.names[j].setAttribute("y", (lam + 0.3) * w[1] + 0.06);
  }

  tell() {
    const { parts, words } = this;
    const { floor, least, broken } = this.state();
    const values = { floor: shortly(floor), least: shortly(least) };
    parts.status.textContent = say(broken.length ? words.toldNo : words.toldYes, values);
    this.changed(this.state());
  }

  destroy() {
    clearTimeout(this.timer);
    this.el.replaceChildren();
  }
}
